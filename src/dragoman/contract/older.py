"""Schemas for readers that know JSON Schema as it was in draft 7, as AsyncAPI's do: the same, in older words.

What draft 7 has no word for at all is left out: a reader then takes more than the function does, and never less.
"""

from __future__ import annotations

from typing import Any, cast

from dragoman.contract.subschemas import Schema, changed

DROPPED = frozenset({"unevaluatedItems", "unevaluatedProperties", "dependentSchemas", "minContains", "maxContains"})


def older(schema: Any) -> Any:
    """A schema of draft 2020-12 in the words of draft 7."""
    if not isinstance(schema, dict):
        return schema
    view = cast("Schema", schema)
    copy = {key: changed(key, value, older) for key, value in view.items() if key not in DROPPED}
    if view.get("minContains") == 0:
        copy.pop("contains", None)  # draft 7 wants one at least
    if "prefixItems" in copy:
        first, rest = copy.pop("prefixItems"), copy.pop("items", None)
        copy["items"] = first
        if rest is not None:
            copy["additionalItems"] = rest
    if "dependentRequired" in copy:
        copy["dependencies"] = copy.pop("dependentRequired")
    if "$ref" in copy and len(copy) > 1:
        # In draft 7 what stands beside a reference is not read.
        reference = {"$ref": copy.pop("$ref")}
        return {**copy, "allOf": [reference, *copy.get("allOf", ())]}
    return copy
