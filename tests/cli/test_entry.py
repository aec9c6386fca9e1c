import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.cli.entry import run
from tests.cli.commandline import dragoman


def test_help_and_version_succeed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert run(["--version"]) == 0
    assert "dragoman 0." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("srve", "did you mean serve?"),
        ("xyz", "there are: serve, call"),
        ("serve --prot 1", "--port"),
        ("serve --port 70000", "70000"),
        ("serve --tls-cert x", "no dragoman.toml here"),
        ("call", "Missing argument 'FUNCTION'"),
        ("call f --timeout 5", "expected a duration"),
        ("call f --timeout 0s", "more than 0"),
        ("call --x 1", "name the function first"),
        ("call f {", "not valid JSON"),
        ("call f {} {}", "one INPUT too many"),
        ("call f --raw", "--raw sends one INPUT"),
        ("call f --url x --project .", "one of the two"),
        ("call f --url unix://run/x", "begins with a slash"),
        ("call f --url ftp://x", "http://"),
        ("call f @/nowhere", "cannot read the input"),
        ("call f --cacert x --url http://h", "--cacert is for https"),
        ("call f --cacert nowhere --url https://h", "--cacert: "),
        ("list nowhere.py", "no such file"),
        ("new x --language cobol", "cobol"),
        ("bench f --url http://h --mode warm", "--mode is for"),
        ("completion tcsh", "tcsh"),
    ],
)
def test_a_slip_of_the_hand_is_a_message_and_a_two(
    line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(line.split()) == 2
    assert said in capsys.readouterr().err


def test_an_environment_that_makes_no_sense_is_named() -> None:
    done = dragoman("call", "f", env={"DRAGOMAN_URL": "nonsense"})
    assert done.returncode == 2
    assert b"DRAGOMAN_URL" in done.stderr
    assert b"Traceback" not in done.stderr


def test_help_imports_no_server_no_client_and_nothing_that_draws() -> None:
    code = (
        "import sys; from dragoman.cli.entry import run; run(['--help']); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    imported = set(done.stderr.split())
    unwanted = {"uvicorn", "starlette", "httptools", "httpx2", "rich", "rich_click", "msgspec", "structlog", "asyncio"}
    unwanted |= {"jsonschema_rs", "prometheus_client", "psutil", "watchfiles", "uvloop", "ssl", "socket"}
    assert "click" in imported
    assert not imported & unwanted


def test_a_reader_that_has_enough_ends_the_call_without_a_word(shop_url: str) -> None:
    line = f"{sys.executable} -m dragoman call shop.forever --url {shop_url} | head -n 2; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (141, "0\n1\n", "")
