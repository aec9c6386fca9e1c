from __future__ import annotations

from typing import Any

import pytest

from dragoman.contract.check import Checker
from dragoman.upstream.document import Document
from dragoman.upstream.operation import SpecError
from dragoman.upstream.schema import Schemas, old_style


def converted(
    node: Any, schemas: dict[str, Any] | None = None, version: str = "3.1.0", direction: Any = "input"
) -> Any:
    document = Document({"openapi": version, "components": {"schemas": schemas or {}}})
    reader = Schemas(document, direction)
    schema = reader.convert(node, "it")
    definitions = reader.definitions()
    return {**schema, "$defs": definitions} if definitions else schema


def test_a_recursive_type_stays_recursive() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}}}
    schema = converted({"$ref": "#/components/schemas/Tree"}, {"Tree": tree})
    assert schema["$ref"] == "#/$defs/Tree"
    checker = Checker(schema)
    assert checker.fits({"child": {"child": {}}})
    assert not checker.fits({"child": {"child": 1}})


def test_types_of_one_name_from_two_places_are_told_apart() -> None:
    schema = converted(
        {"anyOf": [{"$ref": "#/components/schemas/a"}, {"$ref": "#/components/schemas/b/properties/a"}]},
        {"a": {"type": "string"}, "b": {"properties": {"a": {"type": "integer"}}}},
    )
    assert {each["type"] for each in schema["$defs"].values()} == {"string", "integer"}


OLD: list[tuple[dict[str, Any], bool, dict[str, Any]]] = [
    (
        {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
        False,
        {"type": "integer", "exclusiveMinimum": 0},
    ),
    ({"type": "integer", "maximum": 9, "exclusiveMaximum": False}, False, {"type": "integer", "maximum": 9}),
    ({"type": "string", "enum": ["a"]}, True, {"type": ["string", "null"], "enum": ["a", None]}),
    ({"allOf": []}, True, {"anyOf": [{"allOf": []}, {"type": "null"}]}),
    ({}, True, {}),
]


@pytest.mark.parametrize(("schema", "nullable", "expected"), OLD)
def test_what_the_old_version_says_in_its_own_way_is_said_anew(
    schema: dict[str, Any], *, nullable: bool, expected: dict[str, Any]
) -> None:
    assert old_style(dict(schema), nullable=nullable) == expected


def test_siblings_of_a_reference_count_since_3_1_only() -> None:
    node = {"$ref": "#/components/schemas/A", "description": "d"}
    assert "description" in converted(node, {"A": {}})
    assert "description" not in converted(node, {"A": {}}, "3.0.0")


def test_what_goes_the_other_way_is_not_required() -> None:
    node = {
        "type": "object",
        "required": ["id", "key"],
        "properties": {"id": {"readOnly": True}, "key": {"writeOnly": True}},
    }
    assert converted(node)["required"] == ["key"]
    assert converted(node, direction="output")["required"] == ["id"]


def test_a_property_called_like_a_keyword_is_kept() -> None:
    node = {
        "properties": {"example": {"type": "string"}, "$ref": {"type": "string"}, "x-a": {}},
        "example": 1,
        "x-b": 2,
    }
    assert converted(node) == {"properties": {"example": {"type": "string"}, "$ref": {"type": "string"}, "x-a": {}}}


def test_bounds_hold() -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"items": deep}
    with pytest.raises(SpecError, match="100 levels"):
        converted(deep)
    many: dict[str, Any] = {f"T{index}": {} for index in range(2100)}
    with pytest.raises(SpecError, match="2000 types"):
        converted({"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in many]}, many)
    with pytest.raises(SpecError, match="dynamicRef"):
        converted({"$dynamicRef": "#a"})
