from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.cli.signature import kind, signature
from dragoman.contract.function import Contract
from dragoman.contract.manifest import from_wire

STRING = {"type": "string"}


def test_a_contract_is_one_line() -> None:
    properties = {
        "data": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "k": {"type": "integer", "default": 3},
        "note": {"anyOf": [STRING, {"type": "null"}]},
        "label": STRING,
    }
    schema = {"type": "object", "properties": properties, "required": ["data"], "additionalProperties": False}
    contract = Contract("f", input=schema, output={"type": "integer"}, streaming=True)
    assert (
        signature(contract) == "(data: [[number]], k: integer = 3, note: string?, label: string?) -> stream of integer"
    )


def test_an_open_input_says_that_there_may_be_more() -> None:
    assert signature(Contract("f", input={"type": "object"})) == "(…) -> any"


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        (True, "any"),
        ({}, "any"),
        ({"$ref": "#/$defs/Order"}, "Order"),
        ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
        ({"enum": list(range(9))}, "0 | 1 | 2 | 3 | …"),
        ({"const": 1}, "1"),
        ({"type": ["string", "null"]}, "string?"),
        ({"type": "string", "contentEncoding": "base64"}, "bytes"),
        ({"type": "string", "format": "date-time"}, "date-time"),
        ({"type": "object", "title": "Order", "properties": {"x": STRING}}, "Order"),
        ({"type": "object", "additionalProperties": STRING}, "{string: string}"),
        ({"type": "object", "properties": {"x": STRING}}, "{x: string}"),
        ({"type": "object"}, "object"),
        ({"type": "array", "prefixItems": [STRING, {"type": "integer"}]}, "[string, integer]"),
        ({"oneOf": [STRING, {"type": "integer"}]}, "string | integer"),
        ("nonsense", "…"),
    ],
)
def test_each_kind_of_schema_has_a_short_name(schema: Any, shown: str) -> None:
    assert kind(schema, {}) == shown


def test_a_deep_schema_and_a_long_one_are_cut() -> None:
    deep: dict[str, Any] = STRING
    for _ in range(10):
        deep = {"type": "array", "items": deep}
    assert kind(deep, {}) == "[[[[[…]]]]]"
    wide = {"type": "object", "properties": {f"parameter_{number}": STRING for number in range(100)}}
    assert len(signature(Contract("f", input=wide))) == 400


WORDS = ["type", "properties", "required", "items", "prefixItems", "anyOf", "enum", "const", "$ref", "$defs", "title"]
ODD: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "array", "string", "#/$defs/a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WORDS, "a"]), inner, max_size=4),
    max_leaves=12,
)


@given(st.fixed_dictionaries({"name": st.just("f")}, optional={"input": ODD, "output": ODD}))
def test_whatever_a_guest_may_offer_is_shown(entry: dict[str, Any]) -> None:
    with suppress(ValueError):
        (contract,) = from_wire([entry])
        assert len(signature(contract)) <= 400
