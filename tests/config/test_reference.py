import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dragoman.config import settings
from dragoman.config.environment import VARIABLES
from dragoman.config.load import load
from dragoman.config.reference import PARTS, render
from tools.pages import read_pages

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/project-file.md"


def test_every_setting_and_variable_has_its_entry_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for part in (*PARTS, "environment"):
        assert render(part) in page, "run: make docs"
    entries = {setting.key for table in PARTS.values() for setting in table}
    assert {setting.key for table in settings.TABLES.values() for setting in table} == entries
    for name in (*entries, *(variable.name for variable in VARIABLES)):
        assert f"| `{name}` |" in page


def test_every_table_of_the_file_has_its_heading() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in settings.TABLES:
        assert f"## `[{name}" in page


def test_the_pages_example_can_be_loaded(tmp_path: Path) -> None:
    page = next(page for page in read_pages(ROOT) if page.path == PAGE)
    example = max((fence.text for fence in page.fences if fence.language == "toml"), key=len)
    (tmp_path / "dragoman.toml").write_text(example)
    (tmp_path / "stats.py").touch()
    (tmp_path / "wordcount.sh").write_text("#!/bin/sh\n")
    (tmp_path / "wordcount.sh").chmod(0o755)
    assert load([tmp_path]).sources.keys() == tomllib.loads(example)["sources"].keys()


@pytest.mark.parametrize("part", ["pool", "environment"])
def test_a_table_is_printed_for_the_page(part: str) -> None:
    command = [sys.executable, "-m", "dragoman.config.reference", part]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == render(part)
