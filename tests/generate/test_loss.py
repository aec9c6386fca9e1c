from __future__ import annotations

from dragoman.generate.loss import CHOICES, NUMBERS, ROWS, losses
from dragoman.generate.model import Record
from tests.generate.contracts import one

SCHEMA = {
    "type": "object",
    "properties": {
        "either": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "row": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "minItems": 2, "maxItems": 2},
        "level": {"enum": [1, 2]},
        "not": {"not": {"type": "string"}},
        "any": {},
    },
}


def never(_: Record) -> bool:
    return False


def test_each_place_without_a_type_is_told_with_the_reason() -> None:
    told = losses(one(SCHEMA), frozenset(), lambda record: record.name == "ShopFInput")
    assert told == [
        "ShopFInput: it has properties that cannot be named here, so it is a map of any values",
        "ShopFInputX: either: it is one of several types that no tag tells apart, so it is any value",
        "ShopFInputX: row: it is a tuple of several types, so it is a list of any values",
        "ShopFInputX: not: its schema has 'not', so it is any value",
        "ShopFInputXLevel: a choice of integers is any integer here",
    ]
    assert len(losses(one(SCHEMA), frozenset({ROWS, CHOICES, NUMBERS}), never)) == 1
