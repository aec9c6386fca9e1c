"""Schemas become kinds, and what no kind says becomes any value with the reason."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.check import Checker
from dragoman.contract.function import ContractError
from dragoman.generate.model import (
    Anything,
    Binary,
    Boolean,
    Constant,
    Either,
    Enumeration,
    Integer,
    Kind,
    Listing,
    Mapping,
    Named,
    Nothing,
    Nullable,
    Number,
    Record,
    Row,
    Text,
    Union,
)
from tests.generate.contracts import read

INTEGER: dict[str, Any] = {"type": "integer"}
TEXT: dict[str, Any] = {"type": "string"}
KINDS: list[tuple[dict[str, Any], Kind]] = [
    ({"type": "boolean"}, Boolean()),
    ({"type": "null"}, Nothing()),
    ({"type": "number"}, Number()),
    ({"type": "integer", "minimum": 0, "exclusiveMaximum": 256}, Integer(0, 255)),
    ({"type": "integer", "format": "int32"}, Integer(-(2**31), 2**31 - 1)),
    ({"type": "string", "format": "date-time"}, Text("date-time")),
    ({"type": "string", "format": "unheard-of"}, Text()),
    ({"type": "string", "contentEncoding": "base64"}, Binary()),
    ({"const": "x"}, Constant("x")),
    ({"enum": ["x", None]}, Nullable(Constant("x"))),
    ({"enum": [1, "x"]}, Anything("it is a choice of values of several types")),
    ({"type": ["string", "null"]}, Nullable(Text())),
    ({"anyOf": [INTEGER, TEXT]}, Either((Integer(), Text()))),
    ({"anyOf": [INTEGER, {"type": "null"}]}, Nullable(Integer())),
    ({"allOf": [{"type": "integer"}, {"description": "a number"}]}, Integer()),
    ({"type": "array", "items": TEXT}, Listing(Text())),
    ({"type": "array", "prefixItems": [TEXT, INTEGER], "minItems": 2, "maxItems": 2}, Row((Text(), Integer()))),
    ({"type": "object", "additionalProperties": INTEGER}, Mapping(Integer())),
    ({"type": "object"}, Mapping(Anything())),
    ({}, Anything()),
    ({"not": {}}, Anything("its schema has 'not'")),
    ({"$ref": "#/$defs/Gone"}, Anything("it refers to what is not there")),
    (
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        Anything("it contains itself without a record between"),
    ),
]


@pytest.mark.parametrize(("schema", "kind"), KINDS, ids=str)
def test_a_schema_becomes(schema: dict[str, Any], kind: Kind) -> None:
    assert read(schema)[0] == kind


def test_a_record_tells_absent_from_null() -> None:
    schema = {"type": "object", "properties": {"a": TEXT, "b": {"anyOf": [TEXT, {"type": "null"}]}}, "required": ["b"]}
    kind, types = read(schema)
    assert kind == Named("Name")
    (record,) = types.declarations()
    assert isinstance(record, Record)
    assert [(each.wire, each.kind, each.required) for each in record.fields] == [
        ("a", Text(), False),
        ("b", Nullable(Text()), True),
    ]


def tagged(value: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"kind": {"const": value}, **properties},
        "required": ["kind", *properties],
    }


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_objects_with_a_tag_are_a_union_that_may_contain_itself(keyword: str) -> None:
    leaf, tree = (
        tagged("leaf", size=INTEGER),
        tagged("tree", parts={"type": "array", "items": {"$ref": "#/$defs/Shape"}}),
    )
    shape = {keyword: [{"$ref": "#/$defs/Leaf"}, {"$ref": "#/$defs/Tree"}]}
    kind, types = read({"$ref": "#/$defs/Shape", "$defs": {"Shape": shape, "Leaf": leaf, "Tree": tree}})
    assert kind == Named("Shape")
    union, *cases = types.declarations()
    assert union == Union("Shape", "kind", (("leaf", "Leaf"), ("tree", "Tree")))
    assert all(isinstance(each, Record) and each.tag in {("kind", "leaf"), ("kind", "tree")} for each in cases)


def test_a_discriminator_says_which_property_is_the_tag() -> None:
    first, second = tagged("a"), tagged("b")
    for each, value in ((first, "x"), (second, "y")):
        each["properties"] = {"other": {"const": value}, **each["properties"]}
    _, types = read({"oneOf": [first, second], "discriminator": {"propertyName": "kind"}})
    union = types.declarations()[0]
    assert isinstance(union, Union)
    assert union.tag == "kind"


def test_what_is_alike_is_one_type_and_what_is_not_has_a_name_of_its_own() -> None:
    point = {"type": "object", "properties": {"x": INTEGER}}
    other = {"type": "object", "properties": {"y": INTEGER}}
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/P"}, "b": {"$ref": "#/$defs/P"}, "p": other},
        "$defs": {"P": point},
    }
    _, types = read(schema, "")
    names = [each.name for each in types.declarations()]
    assert len(names) == len(set(names)) == 3


def test_an_enum_of_texts_is_named_after_where_it_stands() -> None:
    kind, types = read({"enum": ["a", "b", "a"]}, "Colour")
    assert kind == Named("Colour")
    assert types.declarations() == (Enumeration("Colour", ("a", "b")),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "type", "properties", "items", "$ref", "$defs", "anyOf", "oneOf", "allOf", "enum", "const", "required",
            "prefixItems", "additionalProperties", "patternProperties", "minItems", "maxItems", "minimum", "maximum",
            "format", "discriminator", "description", "default", "x",
        ]),
        inner | st.sampled_from(["object", "array", "string", "#/$defs/x", "#/properties/x", "#"]),
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


def is_schema(value: object) -> bool:
    try:
        Checker(cast("dict[str, Any]", value))
    except ContractError:
        return False
    return True


@given(JSON.filter(lambda value: isinstance(value, dict) and is_schema(value)))
def test_whatever_is_in_a_schema_it_is_some_kind(schema: dict[str, Any]) -> None:
    kind, _ = read(schema)
    assert isinstance(kind, Kind)
