from __future__ import annotations

from typing import Any

import pytest

from dragoman.contract.subschemas import changed


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("items", {"a": 1}, "changed"),
        ("not", True, "changed"),
        ("anyOf", [{}, True], ["changed", "changed"]),
        ("properties", {"default": {}, "items": {}}, {"default": "changed", "items": "changed"}),
        ("$defs", {}, {}),
        ("default", {"items": {}}, {"items": {}}),
        ("enum", [{}], [{}]),
        ("properties", True, True),
        ("anyOf", {}, {}),
    ],
)
def test_what_is_a_schema_is_changed_and_data_is_not(key: str, value: Any, expected: Any) -> None:
    assert changed(key, value, lambda _: "changed") == expected
