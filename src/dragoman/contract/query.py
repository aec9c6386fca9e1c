"""Query strings of GET calls: text turned into the input object that the schema describes.

Where a schema leaves a choice, text that reads as the narrower type (null, boolean, number) is taken as that type,
unless plain text is all that fits.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

from dragoman.contract.breach import refused
from dragoman.contract.codecs import json
from dragoman.contract.malformed import Malformed
from dragoman.contract.nesting import kind_of
from dragoman.contract.pointer import pointer
from dragoman.core.fault import Breach

PAIRS_MAX = 10_000
"""More than any header limit lets through; a bound of its own all the same."""
_DEPTH_MAX = 16
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,4000})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}
_ORDER = ("null", "boolean", "integer", "number", "string", "array", "object")
_ALL = frozenset(_ORDER)


class _Unfit(ValueError):  # noqa: N818 - names the condition, as all of our errors do
    """Text that is nothing that the schema allows."""


def parse(query: str, schema: dict[str, Any], function: str) -> dict[str, Any]:
    """Turn a raw query string into an input object by the schema's types; `function` is the full name.

    Integers, numbers, booleans, `null` and text are written as they are, an array by repeating its name, anything
    else as JSON. Raises `InvalidArgument` with a breach per value that cannot be read; the caller still checks the
    whole against the schema, which also names unknown and missing keys.
    """
    breaches: list[Breach] = []
    named = _pairs(query, breaches)
    known: Any = schema.get("properties", {})
    value: dict[str, Any] = {}
    for name, texts in named.items():
        member = _resolve(known.get(name, {}), schema)
        try:
            value[name] = _read_all(texts, member, schema)
        except _Unfit as error:
            breaches.append(Breach(pointer([name]), str(error)))
    if breaches:
        raise refused(function, tuple(breaches[:100]))
    return value


def _pairs(query: str, breaches: list[Breach]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    parts = query.split("&", PAIRS_MAX)
    if len(parts) > PAIRS_MAX:
        breaches.append(Breach("", f"has more than {PAIRS_MAX} values in its query string"))
        return named
    for part in parts:
        if not part:
            continue
        name, _, text = part.partition("=")
        try:
            key, value = unquote_plus(name, errors="strict"), unquote_plus(text, errors="strict")
            named.setdefault(key, []).append(value)
        except UnicodeDecodeError:
            breaches.append(Breach(pointer([unquote_plus(name)]), "is not valid UTF-8"))
    return named


def _read_all(texts: list[str], member: Any, schema: dict[str, Any]) -> Any:
    kinds = _kinds(member, schema, 0)
    if "array" in kinds and kinds != _ALL and not (len(texts) == 1 and _reads_alone(texts[0], kinds - {"array"})):
        if len(texts) == 1 and texts[0].startswith("["):
            return _json(texts[0])
        items = _items(member, schema)
        return [_read(text, _kinds(items, schema, 0)) for text in texts]
    if len(texts) > 1:
        message = "is given more than once, but is not an array"
        raise _Unfit(message)
    return _read(texts[0], kinds)


def _reads_alone(text: str, kinds: frozenset[str]) -> bool:
    try:
        _read(text, kinds - {"object"})
    except _Unfit:
        return False
    return True


def _read(text: str, kinds: frozenset[str]) -> Any:
    """Read text as the narrowest of the allowed types that it can be; anything goes where anything is allowed."""
    if kinds == _ALL:
        try:
            return _json(text)
        except _Unfit:
            return text
    for kind in _ORDER:
        if kind in kinds and (found := _as(kind, text)) is not _NOTHING:
            return found
    if kinds & {"array", "object"}:
        return _json(text)
    message = f"must be {' or '.join(kind for kind in _ORDER if kind in kinds) or 'left out'}"
    raise _Unfit(message)


_NOTHING: Any = object()


def _as(kind: str, text: str) -> Any:
    if kind == "null" and text in {"null", ""}:
        return None
    if kind == "boolean":
        return _BOOLEANS.get(text, _NOTHING)
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text) and (number := float(text)) not in {float("inf"), float("-inf")}:
        return number
    return text if kind == "string" else _NOTHING


def _json(text: str) -> Any:
    try:
        return json.decode(text.encode())
    except Malformed as error:
        message = f"must be JSON text: {error}"
        raise _Unfit(message[:300]) from None


def _resolve(member: Any, schema: dict[str, Any]) -> Any:
    for _ in range(_DEPTH_MAX):
        reference = member.get("$ref") if isinstance(member, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - a schema is any JSON
        if not isinstance(reference, str) or not reference.startswith("#/$defs/"):
            return member  # pyright: ignore[reportUnknownVariableType] - a schema is any JSON
        member = schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    return {}


def _kinds(member: Any, schema: dict[str, Any], depth: int) -> frozenset[str]:
    """The JSON types that a schema allows, as far as it says so."""
    member = _resolve(member, schema)
    if not isinstance(member, dict) or depth > _DEPTH_MAX:
        return _ALL
    view: dict[str, Any] = member  # pyright: ignore[reportUnknownVariableType] - a schema is any JSON
    if isinstance(named := view.get("type"), str):
        return frozenset({named})
    if isinstance(named, list):
        return frozenset(str(name) for name in named)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - a schema is any JSON
    values = view.get("enum", [view["const"]] if "const" in view else None)
    if isinstance(values, list):
        return frozenset(_kind_of(value) for value in values)  # pyright: ignore[reportUnknownVariableType] - a schema is any JSON
    branches = view.get("anyOf") or view.get("oneOf")
    if isinstance(branches, list):
        return frozenset[str]().union(*(_kinds(branch, schema, depth + 1) for branch in branches))  # pyright: ignore[reportUnknownVariableType] - a schema is any JSON
    return _ALL


def _kind_of(value: Any) -> str:
    kind = kind_of(value)
    if value is None:
        return "null"
    names: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return names.get(kind, "object")


def _items(member: Any, schema: dict[str, Any]) -> Any:
    member = _resolve(member, schema)
    if not isinstance(member, dict):
        return {}
    view: dict[str, Any] = member  # pyright: ignore[reportUnknownVariableType] - a schema is any JSON
    for branch in (view, *view.get("anyOf", ()), *view.get("oneOf", ())):
        resolved = _resolve(branch, schema)
        if isinstance(resolved, dict) and resolved.get("type") == "array":  # pyright: ignore[reportUnknownMemberType] - a schema is any JSON
            return resolved.get("items", {})  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - a schema is any JSON
    return {}
