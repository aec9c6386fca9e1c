from __future__ import annotations

from typing import Any

from dragoman.generate.cycle import held
from tests.generate.contracts import one


def test_a_list_keeps_a_record_from_holding_itself() -> None:
    tree: dict[str, Any] = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/Tree"}, "parts": {"type": "array", "items": {"$ref": "#/$defs/Bush"}}},
    }
    bush = {"type": "object", "properties": {"parts": {"type": "array", "items": {"$ref": "#/$defs/Bush"}}}}
    found = held(one({"$ref": "#/$defs/Tree", "$defs": {"Tree": tree, "Bush": bush}}))
    assert found["Tree"] == {"Tree"}
    assert found["Bush"] == frozenset()
    assert "Tree" in found["ShopFInput"]
