from __future__ import annotations

from typing import Any

import pytest

from dragoman.generate.notes import about

TOLD: list[tuple[Any, tuple[str, ...]]] = [
    (True, ()),
    ({}, ()),
    ({"description": " A word. "}, ("A word.",)),
    ({"minimum": 0, "maximum": 255}, ()),
    ({"minimum": 1, "maximum": 9}, ("At least 1. At most 9.",)),
    ({"pattern": "^a$", "minLength": 1}, ('At least 1 characters. Matches "^a$".',)),
    ({"type": "string", "format": "email"}, ("Format: email.",)),
    ({"items": {"maxLength": 3}, "uniqueItems": True}, ("No item comes twice. Each: at most 3 characters.",)),
    ({"description": "x", "default": "a" * 300}, ("x", f'Default: "{"a" * 198}….')),
    ({"prefixItems": [{}], "minItems": 1, "maxItems": 1}, ()),
]


@pytest.mark.parametrize(("schema", "told"), TOLD)
def test_what_no_type_says_is_said_in_words(schema: Any, told: tuple[str, ...]) -> None:
    assert about(schema) == told
