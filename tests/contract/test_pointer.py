"""Places are named by JSON Pointers."""

from __future__ import annotations

import pytest

from dragoman.contract.pointer import PATH_CHARACTERS_MAX, pointer, split_location


def test_keys_and_indexes_are_joined_and_escaped() -> None:
    assert pointer(["a/b", 0, "c~d", ""]) == "/a~1b/0/c~0d/"
    assert pointer([]) == ""


def test_a_long_pointer_is_cut() -> None:
    assert len(pointer(["x" * 10_000])) == PATH_CHARACTERS_MAX + 1


@pytest.mark.parametrize(
    ("message", "bare", "path"),
    [
        ("Expected `int`, got `str`", "Expected `int`, got `str`", ""),
        ("Expected `int` - at `$.a b[2].c`", "Expected `int`", "/a b/2/c"),
        ("Expected `int` - at `$.a[...].c`", "Expected `int`", "/a"),
        ("Expected `int` - at `key` in `$.a`", "Expected `int`", "/a"),
        ("no - at `$.x` - at `$.a[1]`", "no", "/a/1/x"),
    ],
)
def test_a_decoders_location_becomes_a_pointer(message: str, bare: str, path: str) -> None:
    assert split_location(message) == (bare, path)
