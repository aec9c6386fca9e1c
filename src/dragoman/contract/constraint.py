"""Constraints inside `Annotated`: what msgspec, annotated-types and pydantic write there, as JSON Schema keywords.

Told by their attributes, so that neither package is needed. The typed decoder enforces msgspec's own; for the others
the caller has to check the schema too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dragoman.contract.codecs.typed import Meta

_NUMBERS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_NOTES = ("title", "description", "examples")
_FOREIGN = ("annotated_types", "pydantic")


class Constraint(NamedTuple):
    """Keywords to add to a schema, and whether only a check of the schema enforces them."""

    keywords: dict[str, Any]
    foreign: bool


class Unenforceable(ValueError):  # noqa: N818 - names the condition, as all of our errors do
    """A constraint that no schema can say."""


def read(metadata: tuple[Any, ...], schema: dict[str, Any], types: frozenset[str]) -> Constraint:
    """Turn the metadata of an `Annotated` into keywords for a schema that allows `types`.

    Metadata that is none of ours is ignored, as PEP 593 asks. Raises `Unenforceable` for a bound that JSON Schema has
    no keyword for on such a type.
    """
    keywords: dict[str, Any] = {}
    foreign = False
    for item in _flat(metadata):
        if isinstance(item, str):
            keywords.setdefault("description", item)
            continue
        ours = isinstance(item, Meta)
        if not ours and not type(item).__module__.startswith(_FOREIGN):
            if isinstance(text := getattr(item, "documentation", None), str):
                keywords.setdefault("description", text)
            continue
        bounds = _bounds(item, schema, types, exact=ours)
        foreign = foreign or (bool(bounds) and (not ours or is_wide(item) or "anyOf" in schema))
        keywords.update(bounds)
        keywords.update(_notes(item))
    return Constraint(keywords, foreign)


def is_wide(item: Any) -> bool:
    """Whether a bound is an integer past 64 bits with sign, which the typed decoder has no room for."""
    bounds = (getattr(item, attribute, None) for attribute in _NUMBERS)
    return any(isinstance(bound, int) and not INT64_MIN <= bound <= INT64_MAX for bound in bounds)


def _flat(metadata: tuple[Any, ...]) -> list[Any]:
    """Open what holds more metadata inside: pydantic's `Field(...)`."""
    flat: list[Any] = []
    for item in metadata:
        flat.append(item)
        inner = getattr(item, "metadata", None)
        if type(item).__module__.startswith("pydantic") and isinstance(inner, (list, tuple)):
            flat.extend(inner)  # pyright: ignore[reportUnknownArgumentType] - whatever pydantic put there
    return flat


def _bounds(item: Any, schema: dict[str, Any], types: frozenset[str], *, exact: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute, keyword in _NUMBERS.items():
        if (bound := getattr(item, attribute, None)) is not None:
            if not types & {"integer", "number"} or not isinstance(bound, (int, float)):
                message = f"{attribute}={bound!r} cannot be checked on this type: only numbers have bounds"
                raise Unenforceable(message)
            found[keyword] = bound
    for side, attribute in enumerate(("min_length", "max_length")):
        if (bound := getattr(item, attribute, None)) is not None and (bound or attribute == "max_length"):
            found.update(_length(bound, side, schema, types, exact=exact))
    if isinstance(pattern := getattr(item, "pattern", None), str):
        found["pattern"] = pattern
    return found


def _length(bound: int, side: int, schema: dict[str, Any], types: frozenset[str], *, exact: bool) -> dict[str, Any]:
    if "contentEncoding" in schema:
        if not exact:
            message = "a length on bytes cannot be checked as base64 text: write it as msgspec.Meta(min_length=…)"
            raise Unenforceable(message)
        bound = 4 * ((bound + 2) // 3)
    found = {_LENGTHS[kind][side]: bound for kind in types if kind in _LENGTHS}
    if not found:
        message = "a length cannot be checked on this type: only text, arrays and objects have one"
        raise Unenforceable(message)
    return found


def _notes(item: Any) -> dict[str, Any]:
    notes = {name: value for name in _NOTES if (value := getattr(item, name, None)) is not None}
    extra = getattr(item, "extra_json_schema", None)
    return {**notes, **extra} if isinstance(extra, dict) else notes
