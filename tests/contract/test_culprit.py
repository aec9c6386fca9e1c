"""The place of what cannot be written is found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from dragoman.contract.culprit import locate, nonfinite


@dataclass
class Holder:
    """Holds something."""

    inner: Any


def test_the_innermost_refused_part_is_found() -> None:
    bad = object()
    value = {"a": [1, Holder({"x": (2, bad)})]}
    assert locate(value, msgspec.json.encode) == ("/a/1/inner/x/1", bad)


def test_a_part_refused_as_a_whole_is_found() -> None:
    assert locate({"a": {(1, 2): 3}}, msgspec.json.encode) == ("/a", {(1, 2): 3})


def test_a_value_that_contains_itself_ends_the_search() -> None:
    value: list[Any] = []
    value.append(value)
    locate(value, msgspec.json.encode)


def test_the_place_of_a_nan_is_found() -> None:
    assert nonfinite({"a": [1.0, {"b": math.nan}]}) == "/a/1/b"
    assert nonfinite([1.0, None, "nan"]) is None
