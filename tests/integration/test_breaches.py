"""Input that breaks a contract is refused in the same words, whoever checks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import dragoman
from dragoman.core.fault import InvalidArgument

if TYPE_CHECKING:
    from tests.integration.conftest import Write

TYPED = """
def add(a: int, b: int) -> int: return a + b
"""
ASYNC = """
async def add(a: int, b: int) -> int: return a + b
"""
TOML = """
[sources.typed]
path = "typed.py"
[sources.within]
path = "within.py"
mode = "inline"
[sources.program]
command = ["echo", "{a}", "{b}"]
stdout = "text"
input = { a = "integer", b = "integer" }
"""
BREACHES: list[tuple[dict[str, Any], str, str]] = [
    ({"a": "x", "b": 1}, "/a ", ""),
    ({"a": "x", "b": []}, "/", " (and 1 more)"),
]


@pytest.mark.parametrize("function", ["typed.add", "within.add", "program"])
def test_the_detail_names_the_function_and_the_first_breach(write: Write, function: str) -> None:
    with dragoman.open(write(dragoman__toml=TOML, typed__py=TYPED, within__py=ASYNC)) as project:
        for value, first, more in BREACHES:
            with pytest.raises(InvalidArgument) as fault:
                project.call(function, value)
            assert fault.value.detail.startswith(f"the input of {function} breaks its contract: {first}")
            assert fault.value.detail.endswith(more)
            assert fault.value.errors[0].message in fault.value.detail
            assert fault.value.function == function
        with pytest.raises(InvalidArgument, match=f"the input of {function} breaks its contract: "):
            project.call(function, [1, 2])
