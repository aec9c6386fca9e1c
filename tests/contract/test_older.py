from typing import Any

import pytest

from dragoman.contract.older import older


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, True),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, {"type": "array", "items": [{"type": "string"}]}),
        (
            {"prefixItems": [{"type": "string"}], "items": False},
            {"items": [{"type": "string"}], "additionalItems": False},
        ),
        ({"items": {"prefixItems": [{}]}}, {"items": {"items": [{}]}}),
        ({"properties": {"prefixItems": {"prefixItems": [{}]}}}, {"properties": {"prefixItems": {"items": [{}]}}}),
        ({"dependentRequired": {"a": ["b"]}}, {"dependencies": {"a": ["b"]}}),
        ({"type": "object", "unevaluatedProperties": False}, {"type": "object"}),
        ({"contains": {"const": 1}, "minContains": 2}, {"contains": {"const": 1}}),
        ({"contains": {"const": 1}, "minContains": 0, "maxContains": 1}, {}),
        ({"$ref": "#/x", "description": "d"}, {"allOf": [{"$ref": "#/x"}], "description": "d"}),
        ({"$ref": "#/x", "allOf": [{}]}, {"allOf": [{"$ref": "#/x"}, {}]}),
        ({"$ref": "#/x"}, {"$ref": "#/x"}),
        ({"default": {"prefixItems": [1]}, "const": 1}, {"default": {"prefixItems": [1]}, "const": 1}),
        ({"anyOf": [{"prefixItems": []}, {}]}, {"anyOf": [{"items": []}, {}]}),
    ],
)
def test_a_schema_says_the_same_in_older_words(schema: Any, expected: Any) -> None:
    assert older(schema) == expected
