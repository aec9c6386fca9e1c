import datetime as dt
import math
from typing import Any

import pytest

from dragoman.config.declared import Declared, SchemaFile, check_schema, object_schema, parse_schema
from dragoman.config.problem import Refused
from dragoman.contract.nesting import DEPTH_MAX

INPUT, OUTPUT = Declared(output=False), Declared(output=True)


def test_properties_in_short_become_a_closed_object_whose_defaults_are_optional() -> None:
    minimum = {"type": "integer", "minimum": 0, "default": 1}
    assert INPUT.read({"path": "string", "min": minimum}) == {
        "type": "object",
        "properties": {"path": {"type": "string"}, "min": minimum},
        "required": ["path"],
        "additionalProperties": False,
    }


def test_a_property_may_be_called_type() -> None:
    assert INPUT.read({"type": "string"}) == object_schema({"type": "string"})


@pytest.mark.parametrize(
    "whole",
    [
        {"type": "object", "properties": {"a": {"type": "string"}}},
        {"type": "array", "items": {"type": "string"}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "string"},
    ],
)
def test_a_whole_schema_is_taken_as_it_is(whole: dict[str, Any]) -> None:
    assert OUTPUT.read(whole) == whole


def test_a_file_is_named_and_an_output_may_be_the_name_of_a_type() -> None:
    assert INPUT.read("in.json") == SchemaFile("in.json")
    assert OUTPUT.read("integer") == {"type": "integer"}


@pytest.mark.parametrize(
    ("kind", "value", "message", "below"),
    [
        (INPUT, "integer", "a schema file such as", ()),
        (OUTPUT, "schema.yaml", "name of a JSON type", ()),
        (INPUT, 3, "expected a table of properties", ()),
        (INPUT, {"a": "strin"}, "found the string 'strin'; did you mean 'string'?", ("a",)),
        (INPUT, {"a": {"type": "int"}}, "expected a JSON type", ("a", "type")),
        (INPUT, {"a": 3}, "a table that is a JSON Schema", ("a",)),
        (INPUT, {"a": {"default": dt.date(2026, 1, 1)}}, "a value that JSON has", ("a", "default")),
        (INPUT, {"a": {"enum": [1, math.nan]}}, "a value that JSON has", ("a", "enum", 1)),
        (INPUT, {"a": {"default": 1 << 65}}, "a value that JSON has", ("a", "default")),
        (INPUT, {str(i): "string" for i in range(1001)}, "at most 1000 entries", ()),
    ],
)
def test_what_is_no_contract_is_refused_where_it_stands(
    kind: Declared, value: Any, message: str, below: tuple[str | int, ...]
) -> None:
    with pytest.raises(Refused, match=message.replace("?", "\\?")) as refusal:
        kind.read(value)
    assert refusal.value.below == below


def test_endless_nesting_is_refused() -> None:
    value: Any = "string"
    for _ in range(DEPTH_MAX + 1):
        value = {"a": value}
    with pytest.raises(Refused, match="nested deeper"):
        INPUT.read(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b'{"type": NaN}', "NaN is no JSON number"),
        (b"[1]", "is no JSON Schema: it holds an array"),
        (b'{"type": "string"}', 'does not say "type": "object"'),
        (b"[" * 100_000, "nested deeper"),
    ],
)
def test_a_schema_file_that_is_no_input_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message):
        parse_schema(text, output=False)


def test_a_schema_file_is_read_as_it_is() -> None:
    assert parse_schema(b'{"type": "object", "properties": {}}', output=False) == {"type": "object", "properties": {}}
    assert parse_schema(b'{"type": "string"}', output=True) == {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (object_schema({"a": {"type": ["string", "strange"]}}), "not a usable JSON Schema"),
        (object_schema({"a": {"pattern": "("}}), "not a usable JSON Schema"),
        (object_schema({"a": {"$ref": "https://example.com/a.json"}}), "its own parts"),
        (object_schema({"a": {"type": "integer", "default": "x"}}), "default of 'a' breaks its own schema"),
        (object_schema({"a/b": {"type": "array", "items": {"type": "string"}, "default": [1]}}), "default of 'a/b'"),
    ],
)
def test_a_schema_that_no_value_could_be_checked_with_is_refused(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        check_schema(schema)


def test_a_default_is_checked_by_itself_whatever_else_is_required() -> None:
    check_schema(object_schema({"must": "string", "may": {"type": "integer", "default": 1}}))
