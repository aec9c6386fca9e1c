from pathlib import Path

from dragoman.cli.checking import programs
from dragoman.config.project import Source


def command(*words: str, env: dict[str, str] | None = None) -> Source:
    return Source("tool", "command", Path("/"), command=words, language="exec", mode="exec", env=env or {})


def test_a_program_is_looked_for_where_its_workers_will(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (found,) = programs(command("tool", env={"PATH": str(tmp_path)}))
    assert (found.well, found.detail) == (True, str(program))
    (missing,) = programs(command("sh", env={"PATH": str(tmp_path)}))
    assert not missing.well
    assert str(tmp_path) in missing.detail


def test_python_sources_need_no_program() -> None:
    assert not list(programs(Source("s", "guest", Path("/"), Path("/s.py"))))
