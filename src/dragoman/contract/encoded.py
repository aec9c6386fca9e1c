"""Schemas by which text in base64 is held to being that.

JSON Schema 2020-12 §8.3 has `contentEncoding` annotate only. Guests read such text, and refuse what is none; where an
input is checked in their place, long before they see it, the same must be refused.
"""

from __future__ import annotations

from typing import Any, cast

from dragoman.contract.subschemas import Schema, changed


def strict(schema: Any) -> Any:
    """A schema that says the same, with a format of `base64` where a text has that encoding."""
    if not isinstance(schema, dict):
        return schema
    view = cast("Schema", schema)
    copy = {key: changed(key, value, strict) for key, value in view.items()}
    return {"format": "base64", **copy} if view.get("contentEncoding") == "base64" else copy
