"""Flat bodies: whatever gets a quick yes is held against the check in full."""

from __future__ import annotations

import json as reference
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman.contract.check import Checker
from dragoman.contract.codec import decode
from dragoman.contract.codecs.flat import NO_SIEVES, PROPERTIES_MAX, Sieve, sieves
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Codec

NAMES = st.sampled_from(["a", "b", "c", "größe"])
SCALARS = st.sampled_from(["number", "integer", "string", "boolean", "null"])
TYPES = SCALARS | st.lists(SCALARS, min_size=1, max_size=3, unique=True)
PROPERTIES = st.fixed_dictionaries({"type": TYPES}) | st.fixed_dictionaries(
    {"type": st.just("array"), "items": st.fixed_dictionaries({"type": TYPES})}
)
EXTREMES = st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**29, -(10**29), 10**400, 1e308, 5e-324, 1.0, -0.0, 1e22])
FLOATS = st.floats() | st.floats(width=32)
LEAVES = st.none() | st.booleans() | st.integers() | FLOATS | EXTREMES | st.text(max_size=5)
VALUES = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(NAMES, LEAVES, max_size=2)
OBJECT = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "string"}}, "required": ["a"]}


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, PROPERTIES, min_size=1, max_size=3))
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if draw(st.booleans()):
        schema["required"] = draw(st.lists(st.sampled_from(list(properties)), unique=True))
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(st.booleans())
    return schema


def meant(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A value that a property may have, mostly."""
    name = schema["type"]
    if isinstance(name, list):
        return st.one_of([meant({"type": each}) for each in name])
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "number": FLOATS | st.integers() | EXTREMES,
        "integer": st.integers() | EXTREMES,
        "string": st.text(max_size=5) | st.just(":"),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return st.lists(meant(schema["items"]), max_size=3) if name == "array" else kinds[name]


@st.composite
def pairs(draw: st.DrawFn, schema: dict[str, Any]) -> list[tuple[str, Any]]:
    """What somebody may send for a schema: nearly right, now and then with a pair too few, too many or given twice."""
    given_pairs = [(name, draw(meant(each) | VALUES)) for name, each in schema["properties"].items()]
    return given_pairs + draw(st.lists(st.tuples(NAMES, VALUES), max_size=1))


def as_json(sent: list[tuple[str, Any]]) -> bytes:
    return (
        "{" + ", ".join(f"{reference.dumps(name)}: {reference.dumps(value)}" for name, value in sent) + "}"
    ).encode()


def as_msgpack(sent: list[tuple[str, Any]]) -> bytes:
    return bytes((0x80 | len(sent),)) + b"".join(msgspec.msgpack.encode(part) for pair in sent for part in pair)


def both(schema: dict[str, Any]) -> tuple[Sieve, Sieve]:
    _, from_json, from_msgpack, *_ = sieves(schema)
    assert from_json is not None
    assert from_msgpack is not None
    return from_json, from_msgpack


def keeps_to(schema: dict[str, Any], body: bytes, codec: Codec) -> bool:
    try:
        value = decode(body, codec)
    except Malformed:
        return False
    return isinstance(value, dict) and Checker(schema).fits(value) and value.keys() >= schema["properties"].keys()


@given(st.data())
def test_what_gets_a_quick_yes_keeps_to_its_schema(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    sent = data.draw(pairs(schema))
    from_json, from_msgpack = both(schema)
    body = as_json(sent)
    assert not from_json(body) or keeps_to(schema, body, Codec.JSON)
    try:
        packed = as_msgpack(sent)
    except OverflowError:
        return
    assert not from_msgpack(packed) or keeps_to(schema, packed, Codec.MSGPACK)


@given(st.binary(min_size=1, max_size=40))
@example(b'{"a": 1, "a": "x"}')
@example(b'{"a": 1, "b": "\\ud800"}')
@example(b'{"a": 1, "b": "\xff"}')
@example(b'{"a": 1e999, "b": ""}')
@example(b"\x82\xa1a\xcb\x7f\xf8\0\0\0\0\0\0\xa1b\xa0")
@example(b"\x82\xa1a\xca\x7f\x80\0\0\xa1b\xa0")
@example(b"\x82\xa1a\x01\xa1b\xc4\x01x")
@example(b"\x82\xc4\x01a\x01\xa1b\xa0")
def test_whatever_comes_gets_no_wrong_yes(body: bytes) -> None:
    from_json, from_msgpack = both(OBJECT)
    assert not from_json(body) or keeps_to(OBJECT, body, Codec.JSON)
    assert not from_msgpack(body) or keeps_to(OBJECT, body, Codec.MSGPACK)


def test_usual_bodies_get_a_quick_yes() -> None:
    from_json, from_msgpack = both({**OBJECT, "additionalProperties": False, "title": "Input"})
    assert from_json(b'{"b": "x", "a": 1}')
    assert from_msgpack(as_msgpack([("a", 1.5), ("b", "x")]))
    assert not from_json(b'{"a": 1}')
    assert not from_json(b'{"a": 1, "b": 2}')
    table, _ = both({"type": "object", "properties": {"rows": {"type": "array", "items": {"type": "integer"}}}})
    assert table(b'{"rows": [1, 2]}')
    assert not table(b'{"rows": [1, 2.5]}')


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "number", "minimum": 0}}},
        {"type": "object", "properties": {"a": {"type": "string", "format": "date"}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a b": {"type": "number"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "number"}}},
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object", "properties": {"a": {"type": "object"}}},
        {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["b"]},
        {"type": "object", "properties": {"a": {"type": "number"}}, "minProperties": 2},
        {"type": "object", "properties": {f"a{place}": {"type": "number"} for place in range(PROPERTIES_MAX + 1)}},
    ],
)
def test_a_schema_that_asks_for_more_than_types_is_left_to_the_check_in_full(schema: dict[str, Any]) -> None:
    assert sieves(schema) == NO_SIEVES
