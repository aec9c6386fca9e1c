"""A contract in one line, as `list` and `serve` show it: `(data: [[number]], k: integer = 3) -> [number]`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from dragoman.contract.function import Contract

DEPTH_MAX = 4
"""Deeper types are shown as `…`: one line is for an overview, the schema says it all."""

CHOICES_MAX = 5
DEFAULT_CHARACTERS_MAX = 20
LINE_CHARACTERS_MAX = 400


def signature(contract: Contract) -> str:
    """Parameters and result. `= x` shows a default, `?` one that may be left out. Whatever a guest says is shown."""
    properties = cast("dict[str, Any]", contract.input.get("properties", {}))
    parts = [parameter(name, member, contract.input) for name, member in properties.items()]
    if contract.input.get("additionalProperties", True) is not False:
        parts.append("…")
    result = _kind(contract.output, contract.output, 0)
    shown = f"({', '.join(parts)}) -> {'stream of ' if contract.streaming else ''}{result}"
    return shown if len(shown) <= LINE_CHARACTERS_MAX else shown[: LINE_CHARACTERS_MAX - 1] + "…"


def kind(member: Any, schema: dict[str, Any]) -> str:
    """The type of one parameter, in a word or a few; `schema` is what its references refer to."""
    return _kind(member, schema, 0)


def parameter(name: str, member: Any, schema: dict[str, Any]) -> str:
    """One parameter, with its type and default; `schema` is the whole input's."""
    shown = f"{name}: {_kind(member, schema, 0)}"
    if name in schema.get("required", []):
        return shown
    if isinstance(member, dict) and "default" in member:
        text = json.dumps(member["default"], ensure_ascii=False)
        return f"{shown} = {text if len(text) <= DEFAULT_CHARACTERS_MAX else '…'}"
    return shown if shown.endswith("?") else f"{shown}?"


def _kind(member: Any, schema: dict[str, Any], depth: int) -> str:  # noqa: PLR0911 - one return a kind
    if not isinstance(member, dict) or depth > DEPTH_MAX:
        return "any" if member is True else "…"
    view = cast("dict[str, Any]", member)
    if "$ref" in view:
        return str(view["$ref"]).rpartition("/")[2]
    if "const" in view or isinstance(view.get("enum"), list):
        return _choice(view.get("enum", [view.get("const")]))
    for key in ("anyOf", "oneOf"):
        if isinstance(view.get(key), list):
            return _union([_kind(branch, schema, depth + 1) for branch in view[key]])
    named = view.get("type")
    if isinstance(named, list):
        return _union([_kind({**view, "type": one}, schema, depth + 1) for one in cast("list[Any]", named)])
    if named == "array":
        return _array(view, schema, depth)
    if named == "object":
        return _object(view, schema, depth)
    if named == "string":
        return "bytes" if "contentEncoding" in view else str(view.get("format", "string"))
    return str(named) if named else "any"


def _choice(values: Any) -> str:
    shown = [json.dumps(value, ensure_ascii=False) for value in cast("list[Any]", values)]
    return " | ".join(shown if len(shown) <= CHOICES_MAX else [*shown[: CHOICES_MAX - 1], "…"])


def _union(kinds: list[str]) -> str:
    """The branches, each once; `null` beside one other is a question mark."""
    different = list(dict.fromkeys(kinds))
    others = [one for one in different if one != "null"]
    if len(others) == 1 and len(others) < len(different) and " | " not in others[0]:
        return f"{others[0]}?"
    return " | ".join(different)


def _array(view: dict[str, Any], schema: dict[str, Any], depth: int) -> str:
    if isinstance(view.get("prefixItems"), list):
        return f"[{', '.join(_kind(item, schema, depth + 1) for item in view['prefixItems'])}]"
    return f"[{_kind(view.get('items', True), schema, depth + 1)}]"


def _object(view: dict[str, Any], schema: dict[str, Any], depth: int) -> str:
    if "title" in view:
        return str(view["title"])
    extra = view.get("additionalProperties")
    if isinstance(extra, dict):
        return f"{{string: {_kind(extra, schema, depth + 1)}}}"
    properties = view.get("properties")
    if isinstance(properties, dict) and properties:
        members = cast("dict[str, Any]", properties)
        return f"{{{', '.join(f'{name}: {_kind(each, schema, depth + 1)}' for name, each in members.items())}}}"
    return "object"
