"""Small repositories to check, written to a temporary folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tools.tidy.project import Project

MakeProject = Callable[[dict[str, str]], Project]


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    """Write files, given by path and text, and read them as a project."""

    def make(files: dict[str, str]) -> Project:
        for place, text in files.items():
            path = tmp_path / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        return Project(tmp_path)

    return make
