from __future__ import annotations

import pytest

from dragoman.generate.model import Either, Integer, Listing, Mapping, Named, Nullable, Record, Row, names
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
