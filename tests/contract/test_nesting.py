"""Depth and keys are bounded without recursion."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.contract.malformed import Malformed
from dragoman.contract.nesting import DEPTH_MAX, check_depth, count_pairs, is_deep


def nested(levels: int, *, objects: bool = False) -> Any:
    """A value of so many levels of containers."""
    value: Any = 1
    for _ in range(levels):
        value = {"k": value} if objects else [value]
    return value


@pytest.mark.parametrize("objects", [True, False])
def test_depth_is_told_exactly(objects: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert not is_deep(nested(DEPTH_MAX, objects=objects))
    assert is_deep(nested(DEPTH_MAX + 1, objects=objects))
    with pytest.raises(Malformed):
        check_depth(nested(100_000, objects=objects))


def test_a_value_that_contains_itself_is_deep_and_cheap() -> None:
    value: list[Any] = []
    value += [value, value]
    assert is_deep(value)


@pytest.mark.parametrize("value", [1, "x", [], {}, [1, 2], {"a": 1}, (1,)])
def test_flat_values_are_not_deep(value: object) -> None:
    assert not is_deep(value)


def test_pairs_of_every_object_are_counted() -> None:
    assert count_pairs({"a": [{"b": 1}, {"c": {"d": 1}}], "e": ({"f": 1},)}) == (6, True)
    assert count_pairs([{1: 2}]) == (1, False)
