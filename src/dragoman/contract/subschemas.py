"""Where a schema holds schemas (JSON Schema 2020-12 §10); everywhere else it holds data, which is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable

Schema: TypeAlias = dict[str, Any]

ONE = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})


def changed(key: str, value: Any, change: Callable[[Any], Any]) -> Any:
    """The value of a keyword with each schema in it as `change` makes it; one that holds data is given back."""
    if key in ONE:
        return change(value)
    if key in MANY and isinstance(value, list):
        return [change(item) for item in cast("list[Any]", value)]
    if key in NAMED and isinstance(value, dict):
        return {name: change(item) for name, item in cast("Schema", value).items()}
    return value
