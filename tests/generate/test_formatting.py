from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.generate.formatting import Formatter, NotFormatted


def tool(folder: Path, script: str) -> Formatter:
    place = folder / "node_modules" / ".bin"
    place.mkdir(parents=True)
    (place / "tidy-it").write_text(f"#!/bin/sh\n{script}\n")
    (place / "tidy-it").chmod(0o755)
    return Formatter("tidy-it", ("--name={name}",), "get it")


def test_a_formatter_of_the_project_is_found_from_the_folders_below(tmp_path: Path) -> None:
    formatter = tool(tmp_path, 'echo "$1"; tr a-z A-Z')
    assert formatter.format("in/x.ts", "text\n", tmp_path / "src" / "client") == "--name=x.ts\nTEXT\n"


def test_one_that_is_missing_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(NotFormatted, match=r"tidy-it is not here, .*; get it"):
        Formatter("tidy-it", (), "get it").format("x", "", tmp_path)


@pytest.mark.parametrize("script", ["echo bad >&2; exit 3", "cat >/dev/null"])
def test_what_it_refuses_stays_as_it_was(tmp_path: Path, script: str) -> None:
    with pytest.raises(NotFormatted, match="tidy-it refused x"):
        tool(tmp_path, script).format("x", "text", tmp_path)
