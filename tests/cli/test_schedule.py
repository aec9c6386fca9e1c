import json
from pathlib import Path

from click.testing import CliRunner

from dragoman.cli.schedule import command
from tests.cli.commandline import dragoman, read_line, start

TOML = """\
[sources.shop]
path = "shop.py"
[schedules.nightly]
function = "shop.f"
cron = "30 2 * * *"
zone = "Europe/Berlin"
moment = "at"
[schedules.resting]
function = "shop.f"
every = "1s"
input = { at = "x" }
enabled = false
"""


def test_it_says_what_it_is_for() -> None:
    done = CliRunner().invoke(command, ["--help"])
    assert done.exit_code == 0
    assert "List the schedules of a host that runs" in done.output


def test_one_that_is_to_run_has_a_name_and_a_list_has_none() -> None:
    assert "Which one?" in CliRunner().invoke(command, ["run"]).output
    assert "list shows all schedules" in CliRunner().invoke(command, ["list", "nightly"]).output


def test_schedules_are_listed_and_run_by_hand(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("def f(at: str) -> str: return at\n")
    (tmp_path / "dragoman.toml").write_text(TOML)
    with start("serve", "--port", "0", "--json", "--log", "error", cwd=tmp_path) as server:
        read_line(server)
        done = dragoman("schedule", "list", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        nightly, resting = (line.split("\t") for line in done.stdout.decode().splitlines())
        assert nightly[:4] == ["nightly", "shop.f", "30 2 * * * Europe/Berlin", "never"]
        assert resting == ["resting", "shop.f", "every 1s", "never", "switched off"]
        ran = json.loads(dragoman("schedule", "run", "nightly", "--json", cwd=tmp_path).stdout)
        assert ran["schedule"] == "nightly"
        assert len(ran["task"]) == 36
        told = json.loads(dragoman("schedule", "list", "--json", cwd=tmp_path).stdout)["schedules"]
        assert [each["name"] for each in told] == ["nightly", "resting"]
        assert (len(told[0]["next"]), told[1]["next"]) == (3, [])
        done = dragoman("schedule", "run", "nothing", cwd=tmp_path)
        assert done.returncode != 0
        assert b"there is no schedule 'nothing' in this project" in done.stderr
        server.terminate()
        server.communicate(timeout=30)
