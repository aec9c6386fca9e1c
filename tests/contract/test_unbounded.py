"""NaN and infinities keep to the schemas that they keep to as numbers, and to no others."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dragoman.contract.check import Checker
from dragoman.contract.nesting import DEPTH_MAX
from dragoman.contract.unbounded import is_unbounded, stand_ins

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("schema", "fit", "misfit"),
    [
        ({"type": "number"}, (INF, -INF, NAN), ()),
        ({}, (INF, -INF, NAN), ()),
        ({"type": "integer"}, (), (INF, -INF, NAN)),
        ({"type": ["string", "integer"]}, (), (INF, -INF, NAN)),
        ({"type": "number", "minimum": 0}, (INF,), (-INF, NAN)),
        ({"type": "number", "exclusiveMaximum": 1e300}, (-INF,), (INF, NAN)),
        ({"type": "number", "minimum": -1, "maximum": 1}, (), (INF, -INF, NAN)),
        ({"enum": [1, 2.5]}, (), (INF, -INF, NAN)),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, (INF, NAN), ()),
    ],
)
def test_they_are_numbers_past_every_bound(
    schema: dict[str, Any], fit: tuple[Any, ...], misfit: tuple[Any, ...]
) -> None:
    checker = Checker({"type": "object", "properties": {"x": {"type": "array", "items": schema}}})
    for each in fit:
        assert checker.fits({"x": [0.5, each] if checker.fits({"x": [0.5]}) else [each]})
        assert not checker.breaches({"x": [each]})
    for each in misfit:
        assert not checker.fits({"x": [each]})
        assert checker.breaches({"x": [each]})[0].path == "/x/0"


def test_the_other_breaches_of_such_a_value_are_named() -> None:
    checker = Checker({"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "string"}}})
    assert [each.path for each in checker.breaches({"x": NAN, "y": 5})] == ["/y"]


def test_values_nest_as_deep_as_any_other() -> None:
    value: Any = NAN
    for _ in range(DEPTH_MAX - 1):
        value = [value]
    assert Checker({"type": "array"}).valid(value)
    assert Checker({"type": "object"}).breaches(value)


def test_only_values_that_hold_some_are_copied() -> None:
    assert is_unbounded({"a": [1, (NAN,)]})
    assert not is_unbounded({"a": [1, 1e308, "nan", None, True]})
    assert all(not is_unbounded(each) for each in stand_ins([INF, {"a": (-INF, NAN)}]))
