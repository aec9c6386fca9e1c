import json
import sys
from pathlib import Path

from tests.cli.commandline import SHOP, dragoman

PROJECT = """\
[sources.shop]
path = "{shop}"
[sources.untyped]
path = "untyped.py"
[sources.needy]
path = "needy.py"
[sources.tool]
command = ["no-such-program", "{{x}}"]
"""


def test_a_project_in_order_passes() -> None:
    done = dragoman("check", SHOP)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(b"All is well.\n")
    for what in (b"python: 3.", b"confinement: tier base: no new privileges", b"shop.add", b"services: "):
        assert what in done.stdout


def test_everything_wrong_is_told_at_once_with_what_mends_it(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(PROJECT.format(shop=SHOP))
    (tmp_path / "untyped.py").write_text("def f(a):\n    return a\n")
    (tmp_path / "needy.py").write_text("import yaml_of_no_kind.loader\n")
    done = dragoman("check", "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    wrong = {finding["topic"]: finding for finding in told["findings"] if not finding["well"]}
    assert (done.returncode, told["ok"]) == (1, False)
    assert set(wrong) == {"source untyped", "source needy", "program of tool"}
    assert wrong["source needy"]["remedy"] == f"{sys.executable} -m pip install yaml_of_no_kind"
    assert wrong["program of tool"]["remedy"] == "apt-get install no-such-program"
    for_people = dragoman("check", cwd=tmp_path)
    assert for_people.returncode == 1
    assert b"to mend: apt-get install no-such-program" in for_people.stdout
    assert b"3 of 8 checks found something wrong." in for_people.stdout


def test_settings_for_a_function_that_is_not_there_are_wrong(tmp_path: Path) -> None:
    settings = '[functions."shop.doubel"]\ntimeout = "1s"\n'
    (tmp_path / "dragoman.toml").write_text(f'[sources.shop]\npath = "{SHOP}"\n{settings}')
    done = dragoman("check", tmp_path)
    assert done.returncode == 1
    assert b"did you mean 'shop.double'" in done.stdout


def test_queues_are_told_with_what_they_are_for(tmp_path: Path) -> None:
    queue = '[queues.orders]\nurl = "redis://127.0.0.1:1"\nfrom = "orders"\nfunction = "shop.double"\n'
    written = '[queues.done]\nurl = "nats://127.0.0.1:1"\nto = "done"\n'
    (tmp_path / "dragoman.toml").write_text(f'[sources.shop]\npath = "{SHOP}"\n{queue}{written}')
    done = dragoman("check", tmp_path)
    assert done.returncode == 0, done.stdout
    assert b"queue orders: each message of orders (redis) to shop.double" in done.stdout
    assert b"queue done: messages go to done (nats)" in done.stdout
    assert b"needs none" not in done.stdout


def test_a_project_file_that_cannot_be_read_is_told_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text('[sources.a]\npth = "a.py"\n[projekt]\n')
    done = dragoman("check", tmp_path)
    assert done.returncode == 1
    assert b"did you mean 'path'" in done.stdout
    assert b"did you mean 'project'" in done.stdout


def test_schedules_are_told_with_their_next_moments_and_what_is_wrong_with_their_input(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("def f(at: str) -> str: return at\n")
    head = '[sources.shop]\npath = "shop.py"\n'
    nightly = '[schedules.nightly]\nfunction = "shop.f"\ncron = "30 2 * * *"\nzone = "Asia/Kathmandu"\n'
    (tmp_path / "dragoman.toml").write_text(head + nightly + 'moment = "at"\n')
    done = dragoman("check", tmp_path)
    assert done.returncode == 0, done.stdout
    assert b"schedule nightly: shop.f, 30 2 * * * Asia/Kathmandu; next\n" in done.stdout
    assert done.stdout.count(b" 02:30:00+05:45\n") == 3
    (tmp_path / "dragoman.toml").write_text(head + nightly)
    done = dragoman("check", tmp_path)
    assert done.returncode == 1
    assert b"shop.f cannot be run: the input of shop.f breaks its contract: /at is required" in done.stdout
