"""What a schema says that no type can: its constraints, as sentences for a comment."""

from __future__ import annotations

import json
from typing import Any, cast

from dragoman.generate.integer import WIDTHS

TEXT_CHARACTERS_MAX = 200
"""Of a default or a pattern: more is for whoever reads the schema."""

_SENTENCES = {
    "minLength": "At least {} characters.",
    "maxLength": "At most {} characters.",
    "pattern": "Matches {}.",
    "exclusiveMinimum": "More than {}.",
    "exclusiveMaximum": "Less than {}.",
    "minimum": "At least {}.",
    "maximum": "At most {}.",
    "multipleOf": "A multiple of {}.",
    "minItems": "At least {} items.",
    "maxItems": "At most {} items.",
    "minProperties": "At least {} properties.",
    "maxProperties": "At most {} properties.",
}
KNOWN_FORMATS = frozenset({"date-time", "date", "time", "duration", "uuid", "decimal"})


def about(schema: Any) -> tuple[str, ...]:
    """The description and the constraints of a schema, a paragraph each."""
    if not isinstance(schema, dict):
        return ()
    view = cast("dict[str, Any]", schema)
    constraints = " ".join(sentences(view))
    return (*description(view), constraints) if constraints else description(view)


def description(schema: dict[str, Any]) -> tuple[str, ...]:
    """The description alone."""
    text = schema.get("description")
    return (text.strip(),) if isinstance(text, str) and text.strip() else ()


def sentences(schema: dict[str, Any]) -> list[str]:
    """The constraints, and the default."""
    width = (schema.get("minimum"), schema.get("maximum")) in WIDTHS
    found: list[str] = []
    for keyword, sentence in _SENTENCES.items():
        bound = schema.get(keyword)
        fixed = keyword in {"minItems", "maxItems"} and "prefixItems" in schema
        if bound is None or fixed or (width and keyword in {"minimum", "maximum"}):
            continue
        found.append(sentence.format(_shown(bound)))
    kind = schema.get("format")
    if isinstance(kind, str) and schema.get("type") == "string" and kind not in KNOWN_FORMATS:
        found.append(f"Format: {kind[:TEXT_CHARACTERS_MAX]}.")
    if schema.get("uniqueItems") is True:
        found.append("No item comes twice.")
    items = schema.get("items")
    if isinstance(items, dict) and (each := sentences(cast("dict[str, Any]", items))):
        found.append(f"Each: {each[0][:1].lower()}{' '.join(each)[1:]}")
    if "default" in schema:
        found.append(f"Default: {_shown(schema['default'])}.")
    return found


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[: TEXT_CHARACTERS_MAX - 1]}…"
