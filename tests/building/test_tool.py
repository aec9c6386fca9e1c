from pathlib import Path

import pytest

from dragoman.building.tool import Missing, Tool


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("go version go1.22.9 linux/amd64", True),
        ("go version go1.23 linux/amd64", False),
        ("go version go1.26.8 linux/amd64", False),
        ("go version go2.0", False),
        ("devel", False),
    ],
)
def test_a_version_is_old_where_its_numbers_are_less(version: str, old: bool) -> None:  # noqa: FBT001 - a column of the table
    assert Tool("go", "", (1, 23)).old(version) is old


def test_one_number_is_compared_with_the_first() -> None:
    assert not Tool("java", "", (17,)).old('openjdk version "21" 2023')
    assert Tool("java", "", (17,)).old('openjdk version "11.0.2" 2023')
    assert not Tool("x", "").old("0.1")


def test_it_is_looked_for_on_the_path_and_then_elsewhere(tmp_path: Path) -> None:
    program = tmp_path / "compiler"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert Tool("compiler", "").locate(str(tmp_path)) == str(program)
    assert Tool("compiler", "").locate("/nowhere") is None
    assert Tool("other", "", candidates=(tmp_path / "none", program)).locate("/nowhere") == str(program)


def test_what_is_missing_says_what_to_do() -> None:
    assert (
        str(Missing(Tool("go", "apt-get install golang-go"), "no go"))
        == "no go; to install it: apt-get install golang-go"
    )
