"""Schemas for readers that know JSON Schema as it was in draft 7, as AsyncAPI's do: the same, in older words.

What draft 7 has no word for at all is left out: a reader then takes more than the function does, and never less.
"""

from __future__ import annotations

from typing import Any, cast

from dragoman.contract.components import MANY, NAMED, ONE, Schema

DROPPED = frozenset({"unevaluatedItems", "unevaluatedProperties", "dependentSchemas", "minContains", "maxContains"})


def older(schema: Any) -> Any:
    """A schema of draft 2020-12 in the words of draft 7."""
    if not isinstance(schema, dict):
        return schema
    view = cast("Schema", schema)
    copy = {key: _value(key, value) for key, value in view.items() if key not in DROPPED}
    if "prefixItems" in copy:
        first, rest = copy.pop("prefixItems"), copy.pop("items", None)
        copy["items"] = first
        if rest is not None:
            copy["additionalItems"] = rest
    if "dependentRequired" in copy:
        copy["dependencies"] = copy.pop("dependentRequired")
    if "$ref" in copy and len(copy) > 1:
        # In draft 7 what stands beside a reference is not read.
        return {"allOf": [{"$ref": copy.pop("$ref")}], **copy}
    return copy


def _value(key: str, value: Any) -> Any:
    if key in ONE:
        return older(value)
    if key in MANY and isinstance(value, list):
        return [older(item) for item in cast("list[Any]", value)]
    if key in NAMED and isinstance(value, dict):
        return {name: older(item) for name, item in cast("Schema", value).items()}
    return value
