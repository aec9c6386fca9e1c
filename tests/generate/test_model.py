from __future__ import annotations

from typing import Any

import pytest

from dragoman.contract.function import Contract
from dragoman.generate.model import Either, Integer, Listing, Mapping, Named, Nullable, Record, Row, Union, names
from dragoman.generate.surface import surface as make_surface
from tests.generate.contracts import one


def test_the_names_in_a_kind_are_found_however_deep() -> None:
    kind = Listing(Mapping(Nullable(Row((Named("A"), Either((Named("B"), Integer())))))))
    assert names(kind) == {"A", "B"}


def test_a_surface_knows_which_records_are_nothing_but_parameters() -> None:
    surface = one({"type": "object", "properties": {"y": {}}})
    assert surface.inputs() == {"ShopFInput"}
    assert isinstance(surface.named("ShopFInputX"), Record)
    assert surface.record(Named("ShopFInputX")) == surface.named("ShopFInputX")
    assert surface.record(Integer()) is None
    with pytest.raises(StopIteration):
        surface.named("Gone")


def test_a_surface_knows_which_property_of_a_record_is_a_stream() -> None:
    items = {"type": "object", "properties": {"items": {"type": "array"}, "scale": {"type": "number"}}}
    contracts = {"a.f": Contract("f", input=items, input_stream="items"), "a.g": Contract("g", input=items)}
    assert make_surface("shop", contracts).streamed() == {"AFInput": "items"}


def test_what_is_odd_to_a_language_makes_the_unions_that_have_it_unsayable() -> None:
    def case(tag: str) -> dict[str, Any]:
        return {"type": "object", "properties": {"kind": {"const": tag}, tag: {}}, "required": ["kind"]}

    surface = one({"anyOf": [case("plain"), case("odd")]})
    (union,) = [each for each in surface.declarations if isinstance(each, Union)]
    cases = dict(union.cases)

    def odd(record: Record) -> bool:
        return any(field.wire == "odd" for field in record.fields)

    assert surface.unsayable(odd) == {union.name, cases["odd"]}
    assert surface.unsayable(lambda _: False) == set()
