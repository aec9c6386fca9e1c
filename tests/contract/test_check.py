"""Values are checked against schemas: every breach, bounded, and nothing leaves the machine."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from dragoman.contract.check import BREACHES_MAX, MESSAGE_CHARACTERS_MAX, Checker
from dragoman.contract.function import ContractError
from dragoman.core.fault import Breach

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "data": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "who": {"anyOf": [{"$ref": "#/$defs/Who"}, {"type": "null"}]},
    },
    "required": ["data"],
    "additionalProperties": False,
    "$defs": {"Who": {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]}},
}


def nested(levels: int) -> list[Any]:
    """A list in a list in a list."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def test_a_value_that_keeps_to_the_schema_has_no_breach() -> None:
    checker = Checker(SCHEMA)
    assert checker.valid({"data": [[1, 2.5]], "who": None})
    assert checker.breaches({"data": [[1]], "who": {"age": 3}}) == ()


def test_every_breach_is_named_by_its_place() -> None:
    value = {"data": [[1, "x"], 5], "who": {"age": -1}, "a/b": 1}
    assert set(Checker(SCHEMA).breaches(value)) == {
        Breach("/data/0/1", "must be a number"),
        Breach("/data/1", "must be an array"),
        Breach("/who/age", "must be at least 0"),
        Breach("/a~1b", "is not a key that is known here"),
    }


def test_a_missing_key_is_named_by_its_own_place() -> None:
    assert set(Checker(SCHEMA).breaches({"who": {}})) == {
        Breach("/data", "is required but missing"),
        Breach("/who/age", "is required but missing"),
    }


def test_breaches_and_their_messages_are_bounded() -> None:
    checker = Checker({"items": {"enum": ["a" * 1000]}})
    breaches = checker.breaches(["b" * 100_000] * 1000)
    assert len(breaches) == BREACHES_MAX
    assert all(len(breach.message) <= MESSAGE_CHARACTERS_MAX for breach in breaches)
    assert "bbb" not in breaches[0].message


@pytest.mark.parametrize("value", [["x"] * 300_000, [*[1] * 300_000, "x"]])
def test_a_large_wrong_value_is_answered_quickly(value: list[Any]) -> None:
    checker = Checker({"items": {"type": "integer"}})
    started = time.process_time()
    assert checker.breaches(value)[0].path in {"/0", "/300000"}
    assert time.process_time() - started < 2.0


def test_cutting_a_large_value_makes_up_no_breach() -> None:
    checker = Checker({"properties": {"a": {"minItems": 50_000}, "b": {"type": "integer"}}})
    assert checker.breaches({"a": [0] * 60_000, "b": "x"}) == (Breach("/b", "must be an integer"),)


def test_a_value_too_deep_is_a_breach_and_no_crash() -> None:
    schema = {"$ref": "#/$defs/x", "$defs": {"x": {"type": "array", "items": {"$ref": "#/$defs/x"}}}}
    checker = Checker(schema)
    assert not checker.valid(nested(100_000))
    assert "deep" in checker.breaches(nested(100_000))[0].message
    assert checker.valid(nested(300))


@pytest.mark.parametrize("value", [math.nan, "\ud800", {"a": object()}, {1: object()}])
def test_a_value_that_json_cannot_hold_is_a_breach(value: object) -> None:
    checker = Checker({"type": "integer"})
    assert not checker.valid(value)
    assert checker.breaches(value)


def test_bytes_are_checked_as_their_text() -> None:
    assert Checker({"type": "string", "contentEncoding": "base64"}).valid(b"abc")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00"),
        ("date", "2020-02-29", "2021-02-29"),
        ("time", "12:30:00", "25:00:00"),
        ("time", "12:30:00.5+02:00", "12:30"),
        ("duration", "PT1.5S", "1 hour"),
        ("duration", "P1DT2H", "P"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
    ],
)
def test_formats_are_asserted(name: str, good: str, bad: str) -> None:
    checker = Checker({"type": "string", "format": name})
    assert checker.valid(good)
    (breach,) = checker.breaches(bad)
    assert breach.message.startswith(f"is not a valid {name}")


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "other.json"},
        {"$ref": "#/$defs/nowhere"},
        {"type": "text"},
        {"pattern": "(?=a)"},
        {"pattern": "("},
        {"items": b"x"},
        {"items": nested(1000)},
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match=r"schema|Schema"):
        Checker(schema)


def test_a_wicked_pattern_takes_linear_time() -> None:
    started = time.process_time()
    assert not Checker({"pattern": "^(a+)+$"}).valid("a" * 200_000 + "b")
    assert time.process_time() - started < 2.0


def test_big_integers_are_compared_exactly() -> None:
    checker = Checker({"maximum": 2**70})
    assert checker.valid(2**70)
    assert not checker.valid(2**70 + 1)


TAGGED = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"kind": {"enum": ["a"]}, "v": {"type": "integer"}},
            "required": ["kind", "v"],
        },
        {"type": "object", "properties": {"kind": {"const": "b"}, "v": {"type": "string"}}, "required": ["kind", "v"]},
        {"type": "null"},
    ]
}


@pytest.mark.parametrize(
    ("value", "breach"),
    [
        ({"kind": "a", "v": "x"}, ("/v", "must be an integer")),
        ({"kind": "b"}, ("/v", "is required but missing")),
        ({"kind": "c", "v": 1}, ("/kind", 'must be one of "a", "b"')),
        ({"v": 1}, ("", "fits none of the allowed shapes")),
        (5, ("", "fits none of the allowed shapes: must be an object or null")),
    ],
)
def test_the_tag_of_a_record_tells_which_branch_was_meant(value: object, breach: tuple[str, str]) -> None:
    assert Checker(TAGGED).breaches(value) == (breach,)


def test_every_allowed_value_is_told() -> None:
    assert Checker({"enum": ["a", 1, True, None]}).breaches(2) == (("", 'must be one of "a", 1, true, null'),)
    assert Checker({"const": "a"}).breaches(2) == (("", 'must be "a"'),)


def test_a_key_that_breaks_the_rule_for_keys_is_named() -> None:
    checker = Checker({"propertyNames": {"pattern": "^[0-9]+$"}})
    assert checker.breaches({"x": 1}) == (("/x", "is a key that must match the pattern ^[0-9]+$"),)
