import re
from pathlib import Path

import pytest

from dragoman.cli.measuring import BenchOptions, run


def test_calls_that_fail_are_counted_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "moody.py").write_text(
        "calls = 0\n\ndef f() -> int:\n    global calls\n    calls += 1\n"
        "    if calls % 2 == 0:\n        raise ValueError('even')\n    return calls\n"
    )
    (tmp_path / "dragoman.toml").write_text('[sources.moody]\npath = "moody.py"\nworkers = 1\n')
    options = BenchOptions(
        url=None,
        project=str(tmp_path),
        cacert=None,
        connections=2,
        duration=0.2,
        modes=(),
        every_mode=False,
        as_json=False,
    )
    assert run("moody.f", (), options) == 0
    row = capsys.readouterr().out.strip().split("\t")
    assert re.fullmatch(r"\d+ UNKNOWN", row[3])
    assert int(row[2]) == pytest.approx(int(row[3].split()[0]), abs=3)
