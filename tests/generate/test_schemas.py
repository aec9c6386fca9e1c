from __future__ import annotations

from typing import Any

import pytest

from dragoman.generate import schemas

ROOT: dict[str, Any] = {
    "$defs": {"A": {"$ref": "#/$defs/B~1c"}, "B/c": {"type": "string"}, "L": {"$ref": "#/$defs/L"}, "T": True}
}


@pytest.mark.parametrize(
    ("reference", "target"),
    [("#/$defs/A", {"type": "string"}), ("#/$defs/L", None), ("#/$defs/T", {}), ("#/no", None), ("http://x/y", None)],
)
def test_a_reference_is_followed_to_its_end_and_no_further(reference: str, target: object) -> None:
    assert schemas.followed({"$ref": reference}, ROOT)[0] == target


def test_objects_are_joined_and_what_is_more_is_not() -> None:
    one: dict[str, Any] = {"properties": {"a": {}}, "required": ["a"]}
    joined = schemas.merged({"allOf": [one, {"properties": {"b": {}}}], "description": "both"}, {})
    assert joined == {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"], "description": "both"}
    assert schemas.merged({"allOf": [one, {"if": {}}]}, {}) is None


def test_all_that_a_schema_refers_to_is_found_once() -> None:
    assert set(schemas.closure({"items": {"$ref": "#/$defs/A"}}, ROOT)) == {"#/$defs/A", "#/$defs/B~1c"}
    assert set(schemas.closure({"$ref": "#/$defs/L"}, ROOT)) == {"#/$defs/L"}


@pytest.mark.parametrize(
    ("schema", "bounds"),
    [
        ({"minimum": 1.0, "exclusiveMaximum": 5}, (1, 4)),
        ({"minimum": 0.5}, (None, None)),
        ({"format": "uint8", "maximum": 9}, (0, 9)),
        ({"minimum": True}, (None, None)),
    ],
)
def test_an_integer_lies_between_its_bounds(schema: dict[str, Any], bounds: tuple[int | None, int | None]) -> None:
    assert schemas.bounds(schema) == bounds


def test_two_cases_of_one_tag_are_no_union() -> None:
    case = {"type": "object", "properties": {"kind": {"const": "a"}}}
    assert schemas.tagged({}, [case, case], {}) is None
    assert schemas.tagged({}, [case, {"type": "string"}], {}) is None
