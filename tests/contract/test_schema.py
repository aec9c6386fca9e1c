"""Types become JSON Schema 2020-12."""

from __future__ import annotations

import collections
import enum
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID

import jsonschema_rs
import msgspec
import pytest

from dragoman.contract.schema import SchemaBuilder, Unsupported, annotate

T = TypeVar("T")


class Colour(enum.Enum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Node(Generic[T]):
    """A node of a tree.

    Attributes:
        value: what it holds
    """

    value: T
    children: list[Node[T]] = field(default_factory=list["Node[T]"])


class Point(NamedTuple):
    """A point."""

    x: int
    y: int = 0


class Circle(msgspec.Struct, tag=True, forbid_unknown_fields=True):
    """A circle."""

    radius: float


class Options(TypedDict, total=False):
    """Options."""

    deep: bool


def build(kind: Any) -> dict[str, Any]:
    """The whole schema of a type, valid by itself."""
    builder = SchemaBuilder()
    schema = builder.complete(builder.schema(kind))
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    return schema


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (None, {"type": "null"}),
        (bool, {"type": "boolean"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (str, {"type": "string"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (date, {"type": "string", "format": "date"}),
        (time, {"type": "string", "format": "time"}),
        (timedelta, {"type": "string", "format": "duration"}),
        (UUID, {"type": "string", "format": "uuid"}),
        (Decimal, {"type": "string", "format": "decimal"}),
        (pathlib.Path, {"type": "string"}),
        (Any, {}),
        (object, {}),
        (NewType("Id", int), {"type": "integer"}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (int | Any, {}),
        (list, {"type": "array"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (set[int], {"type": "array", "items": {"type": "integer"}}),
        (frozenset[int], {"type": "array", "items": {"type": "integer"}}),
        (Sequence[int], {"type": "array", "items": {"type": "integer"}}),
        (Iterable[int], {"type": "array", "items": {"type": "integer"}}),
        (collections.deque[int], {"type": "array", "items": {"type": "integer"}}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (tuple[()], {"type": "array", "minItems": 0, "maxItems": 0}),
        (
            tuple[int, str],
            {"type": "array", "minItems": 2, "maxItems": 2, "prefixItems": [{"type": "integer"}, {"type": "string"}]},
        ),
        (dict, {"type": "object"}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Mapping[str, Any], {"type": "object"}),
        (collections.Counter[str], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (dict[date, Any], {"type": "object", "propertyNames": {"format": "date"}}),
        (dict[Colour, Any], {"type": "object", "propertyNames": {"enum": ["red", "blue"]}}),
        (Annotated[int, msgspec.Meta(ge=0)], {"type": "integer", "minimum": 0}),
        (Annotated[datetime, msgspec.Meta(tz=False)], {"type": "string"}),
    ],
)
def test_a_type_has_its_schema(kind: Any, schema: dict[str, Any]) -> None:
    assert build(kind) == schema


def test_a_generic_recursive_record_refers_to_itself() -> None:
    assert build(Node[int]) == {
        "$ref": "#/$defs/Node_int",
        "$defs": {
            "Node_int": {
                "description": "A node of a tree.",
                "type": "object",
                "properties": {
                    "value": {"type": "integer", "description": "what it holds"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Node_int"}, "default": []},
                },
                "required": ["value"],
            }
        },
    }


def test_a_named_tuple_is_an_array_of_fixed_places() -> None:
    assert build(Point)["$defs"]["Point"] == {
        "type": "array",
        "minItems": 1,
        "maxItems": 2,
        "prefixItems": [{"type": "integer"}, {"type": "integer", "default": 0}],
    }


def test_a_tagged_strict_struct_says_so() -> None:
    assert build(Circle)["$defs"]["Circle"] == {
        "description": "A circle.",
        "type": "object",
        "properties": {"type": {"enum": ["Circle"]}, "radius": {"type": "number"}},
        "required": ["type", "radius"],
        "additionalProperties": False,
    }


def test_an_enumeration_lists_its_values_and_a_typed_dict_its_keys() -> None:
    assert build(Colour)["$defs"]["Colour"] == {"enum": ["red", "blue"], "description": "What it looks like."}
    assert build(Options)["$defs"]["Options"]["properties"] == {"deep": {"type": "boolean"}}


def test_flags_are_any_sum_of_their_bits() -> None:
    permission = enum.Flag("Permission", ["READ", "WRITE", "RUN"])
    assert build(permission)["$defs"]["Permission"] == {"type": "integer", "minimum": 0, "maximum": 7}


@dataclass
class Computed:
    """A field that is no parameter, and a parameter that is no field."""

    a: int
    scale: InitVar[int] = 2
    total: int = field(init=False)


def test_input_has_what_a_record_takes_and_output_what_it_keeps() -> None:
    taken = build(Computed)["$defs"]["Computed"]
    assert (list(taken["properties"]), taken["required"]) == (["a", "scale"], ["a"])
    builder = SchemaBuilder(output=True)
    kept = builder.complete(builder.schema(Computed))["$defs"]["Computed"]
    assert (list(kept["properties"]), kept["required"]) == (["a", "total"], ["a", "total"])


@pytest.mark.parametrize("default", [None, float("nan"), float("inf"), object()])
def test_a_default_that_no_caller_could_send_is_not_shown(default: object) -> None:
    assert "default" not in annotate({"type": "integer"}, default, "")
    assert "default" not in annotate({"$ref": "#/$defs/X"}, default, "")


def test_a_default_that_fits_is_shown() -> None:
    for schema in ({}, {"type": "null"}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"enum": ["a", None]}):
        assert annotate(schema, None, "")["default"] is None
    assert annotate({"type": "integer"}, 3, "")["default"] == 3


def test_two_classes_of_one_name_keep_apart() -> None:
    other = dataclass(type("Point", (), {"__annotations__": {"z": int}, "__module__": __name__}))
    schema = build(tuple[Point, other])
    assert set(schema["$defs"]) == {"Point", "Point_2"}


def test_only_what_is_referred_to_is_defined() -> None:
    builder = SchemaBuilder()
    inlined = builder.inline(builder.schema(Options))
    assert "$defs" not in builder.complete(inlined)


@pytest.mark.parametrize(("kind", "stricter"), [(datetime, True), (Decimal, True), (date, False), (list[int], False)])
def test_the_builder_tells_where_the_decoder_is_too_kind(kind: Any, stricter: bool) -> None:  # noqa: FBT001 - a parameter of the test
    builder = SchemaBuilder()
    builder.schema(kind)
    assert builder.stricter is stricter


@pytest.mark.parametrize(
    "kind", [complex, type, range, dict[tuple[int], int], dict[bytes, int], list[complex], enum.Enum("E", {"A": (1,)})]
)
def test_a_type_that_is_no_data_is_unsupported(kind: Any) -> None:
    with pytest.raises(Unsupported):
        build(kind)
