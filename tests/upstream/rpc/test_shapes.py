from __future__ import annotations

from typing import Any

import pytest

from dragoman.contract.check import Checker
from dragoman.upstream.rpc.shapes import Shapes
from tests.upstream.rpc.shops import pool


def shape(name: str, *, strict: bool = True) -> dict[str, Any]:
    return Shapes(strict=strict).input(pool().FindMessageTypeByName(name))


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({}, True),
        ({"u64": 2**64 - 1, "i64": -(2**63), "i32": 2**31 - 1}, True),
        ({"u64": 2**64}, False),
        ({"i32": -(2**31) - 1}, False),
        ({"children": {"1": {"self": {"children": {}}}}}, True),
        ({"children": {"1": {"self": {"children": 1}}}}, False),
        ({"left": "a"}, True),
        ({"left": "a", "right": 1}, False),
        ({"color": "RED"}, True),
        ({"color": 1}, False),
        ({"boxed": None}, True),
        ({"took": "PT1S", "at": "2026-01-01T00:00:00Z"}, True),
        ({"camel_case": ""}, False),
    ],
)
def test_an_input_fits_or_does_not(value: Any, fits: bool) -> None:  # noqa: FBT001 - a case's verdict
    assert Checker(shape("acme.shop.v1.Everything")).fits(value) is fits


def test_what_comes_back_may_be_newer() -> None:
    checker = Checker(shape("acme.shop.v1.Everything", strict=False))
    assert checker.fits({"color": 7, "new": 1})


def test_an_input_without_an_object_of_its_own_is_wrapped() -> None:
    schema = shape("google.protobuf.Duration")
    assert schema["required"] == ["value"]
    assert shape("google.protobuf.Struct") == {"type": "object"}


def test_a_stream_is_an_array_of_messages() -> None:
    schema = Shapes(strict=True).stream(pool().FindMessageTypeByName("acme.shop.v1.Number"), "requests")
    assert Checker(schema).fits({"requests": [{"number": 1}]})
    assert not Checker(schema).fits({})
