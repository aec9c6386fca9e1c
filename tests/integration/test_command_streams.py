"""Streams of executables: their items are JSON, whatever codec the caller prefers."""

from pathlib import Path

import dragoman

PROJECT = """\
[project]
name = "lines"

[sources.numbers]
command = ["seq", "{count}"]
stdout = "jsonl"
input = { count = "integer" }
"""


def test_a_commands_lines_arrive_as_values(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(PROJECT)
    with dragoman.open(tmp_path) as project:
        assert project.numbers(count=3) == [1, 2, 3]
        assert list(project.stream("numbers", {"count": 4})) == [1, 2, 3, 4]
        assert project.numbers(count=0) == []
