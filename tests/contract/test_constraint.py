"""Constraints become keywords, whoever wrote them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman.contract.constraint import Unenforceable, read

NUMBER = {"type": "integer"}
TEXT = {"type": "string"}
BYTES = {"type": "string", "contentEncoding": "base64"}


def foreign(**attributes: Any) -> Any:
    """A constraint as annotated-types writes one."""
    return type("Bound", (), {"__module__": "annotated_types", **attributes})()


def test_msgspecs_own_are_enforced_by_the_decoder() -> None:
    meta = msgspec.Meta(ge=0, lt=10, multiple_of=2, title="T", description="d", examples=[4])
    keywords, stricter = read((meta,), NUMBER, frozenset({"integer"}))
    assert keywords == {
        "minimum": 0,
        "exclusiveMaximum": 10,
        "multipleOf": 2,
        "title": "T",
        "description": "d",
        "examples": [4],
    }
    assert not stricter


def test_bounds_past_64_bits_need_the_schema_too() -> None:
    for meta in (msgspec.Meta(ge=0, le=2**64 - 1), msgspec.Meta(gt=-(2**63) - 1), msgspec.Meta(multiple_of=2**63)):
        assert read((meta,), NUMBER, frozenset({"integer"}))[1]


def test_others_need_the_schema() -> None:
    assert read((foreign(ge=1), foreign(lt=5)), NUMBER, frozenset({"integer"})) == (
        {"minimum": 1, "exclusiveMaximum": 5},
        True,
    )
    assert read((foreign(min_length=0, max_length=3),), TEXT, frozenset({"string"})) == ({"maxLength": 3}, True)


def test_a_constraint_on_a_union_needs_the_schema() -> None:
    union = {"anyOf": [TEXT, {"type": "null"}]}
    assert read((msgspec.Meta(min_length=2),), union, frozenset({"string", "null"})) == ({"minLength": 2}, True)


def test_lengths_are_named_after_what_has_them() -> None:
    meta = msgspec.Meta(min_length=1, max_length=4)
    assert read((meta,), {}, frozenset({"array"})).keywords == {"minItems": 1, "maxItems": 4}
    assert read((meta,), {}, frozenset({"object"})).keywords == {"minProperties": 1, "maxProperties": 4}
    assert read((meta,), BYTES, frozenset({"string"})).keywords == {"minLength": 4, "maxLength": 8}


def test_text_and_doc_describe_and_the_unknown_is_ignored() -> None:
    assert read(("what it is", object(), 5), NUMBER, frozenset({"integer"})) == ({"description": "what it is"}, False)


@pytest.mark.parametrize(
    ("item", "schema", "types"),
    [
        (foreign(ge=1), TEXT, {"string"}),
        (foreign(ge="a"), NUMBER, {"integer"}),
        (foreign(min_length=1), NUMBER, {"integer"}),
        (foreign(max_length=4), BYTES, {"string"}),
    ],
)
def test_a_bound_that_no_schema_can_say_is_refused(item: Any, schema: dict[str, Any], types: set[str]) -> None:
    with pytest.raises(Unenforceable):
        read((item,), schema, frozenset(types))


def test_annotated_types_are_understood_where_they_are() -> None:
    annotated_types = pytest.importorskip("annotated_types")
    assert read((annotated_types.Interval(ge=0, lt=3),), NUMBER, frozenset({"integer"})) == (
        {"minimum": 0, "exclusiveMaximum": 3},
        True,
    )
