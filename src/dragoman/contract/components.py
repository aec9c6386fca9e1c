"""Moves the schemas of contracts into one document (OpenAPI, AsyncAPI).

A contract's schema stands alone: its references point into itself. In a document all schemas share one place, so each
becomes a component, its `$defs` become components of their own, and every reference is rewritten. A definition that
several functions share (a record of their module) becomes one component; another one of the same name gets the name of
its function in front.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, cast
from urllib.parse import unquote

from dragoman.contract.subschemas import MANY, NAMED, ONE, Schema, changed

PREFIX = "#/components/schemas/"

PATTERNS = {
    "base64": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    "decimal": "^[+-]?(?:[0-9]+(?:[.][0-9]*)?|[.][0-9]+)(?:[eE][+-]?[0-9]{1,4})?$",
    "time": "^(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?$",
    "duration": (
        "^[+-]?P(?:[0-9]{1,8}D|(?:[0-9]{1,8}D)?T(?:[0-9]{1,8}H(?:[0-9]{1,8}M)?(?:[0-9]{1,8}(?:[.][0-9]+)?S)?"
        "|[0-9]{1,8}M(?:[0-9]{1,8}(?:[.][0-9]+)?S)?|[0-9]{1,8}(?:[.][0-9]+)?S))$"
    ),
}
"""What the words for encodings and formats mean here: they leave more open (weeks, months) than functions take, and
generators of clients and tests go by the pattern."""
WIDER = frozenset({"duration", "time"})
"""Formats that functions also take more of (a sign, a time without its offset): the pattern stands in their place."""

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
_POINTER_TO_DEFINITION = re.compile(r"#/\$defs/([^/]+)(/.*)?", re.DOTALL)


class Components:
    """The schemas of one document, under names that no two of them share."""

    def __init__(self, reserved: Mapping[str, Schema]) -> None:
        """`reserved` are the document's own schemas."""
        self.schemas: dict[str, Any] = dict(reserved)
        self._known: dict[tuple[str, bytes], str] = {}

    def add(self, function: str, role: str, schema: Schema) -> Schema:
        """Take in a schema that stands alone, and give a reference to it.

        Its component is called after the function and its role there, as in `stats.mean.Input`. One that is no more
        than a reference needs none.
        """
        definitions = cast("dict[str, Any]", schema.get("$defs") or {})
        root = {key: value for key, value in schema.items() if key not in ("$schema", "$id", "$defs")}
        component = self._free(f"{function}.{role}")
        self.schemas[component] = _PENDING
        placed = self._place(definitions, function, component)
        rewrite = _Rewriter(str(schema.get("$id", "")), component, placed)
        for definition, target in placed.items():
            if self.schemas[target] is _PENDING:
                self.schemas[target] = _named(rewrite.schema(definitions[definition]), target)
        rewritten = rewrite.schema(root)
        if rewritten.keys() == {"$ref"} and component not in rewrite.used:
            del self.schemas[component]
            return rewritten
        self.schemas[component] = _named(rewritten, component)
        return {"$ref": PREFIX + component}

    def _place(self, definitions: Mapping[str, Any], function: str, root: str) -> dict[str, str]:
        """Find the component of each definition; new ones are reserved."""
        texts = {name: json.dumps(schema, sort_keys=True) for name, schema in definitions.items()}
        uses = {name: _uses(schema, definitions) for name, schema in definitions.items()}
        # One that refers to its root (`#`) means another thing in every schema.
        own = {name for name, schema in definitions.items() if _points_outside(schema)}
        placed: dict[str, str] = {}
        for name in definitions:
            reached = _reached(name, uses)
            closure = [(each, texts[each]) for each in sorted(reached)] + [root] * bool(reached & own)
            meaning = sha256(repr(closure).encode("utf-8", "surrogatepass")).digest()
            known = self._known.get((name, meaning))
            if known is None:
                fit = _UNFIT.sub("_", name) or "_"
                known = self._free(fit if fit not in self.schemas else f"{function}.{fit}")
                self._known[name, meaning] = known
                self.schemas[known] = _PENDING
            placed[name] = known
        return placed

    def _free(self, name: str) -> str:
        found = name = _UNFIT.sub("_", name)
        number = 2
        while found in self.schemas:
            found = f"{name}_{number}"
            number += 1
        return found


_PENDING: Schema = {}


class _Rewriter:
    """Copies schemas with their references turned towards the document's components."""

    def __init__(self, base: str, root: str, placed: Mapping[str, str]) -> None:
        self._base = base.rstrip("#")
        self._root = root
        self._placed = placed
        self.used: set[str] = set()

    def schema(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema
        view = cast("Schema", schema)
        if "$id" in view:
            # A resource of its own: its references are relative to itself, wherever it stands.
            return view
        # Generators of clients name classes after titles, which are not unique; a component's own name is.
        untitled = "properties" in view or "enum" in view
        copy = {key: self._value(key, value) for key, value in view.items() if key != "title" or not untitled}
        word = view.get("contentEncoding") or view.get("format")
        pattern = PATTERNS.get(word) if isinstance(word, str) and "pattern" not in view else None
        if pattern is not None:
            copy["pattern"] = pattern
            if word in WIDER:
                del copy["format"]
        return copy

    def _value(self, key: str, value: Any) -> Any:
        if key in {"$ref", "$dynamicRef"} and isinstance(value, str):
            return self._reference(value)
        return changed(key, value, self.schema)

    def _reference(self, reference: str) -> str:
        local = reference.removeprefix(self._base) if self._base else reference
        if not local.startswith("#"):
            return reference
        match = _POINTER_TO_DEFINITION.fullmatch(local)
        if match is not None and (placed := self._placed.get(_unescaped(match[1]))) is not None:
            return f"{PREFIX}{placed}{match[2] or ''}"
        if local == "#" or local.startswith("#/"):
            self.used.add(self._root)
            return f"{PREFIX}{self._root}{local[1:]}"
        return reference


def _named(schema: Any, component: str) -> Any:
    """Title a schema of a class as its component is called."""
    if not isinstance(schema, dict) or "properties" not in schema:
        return cast("Any", schema)
    return {"title": component, **cast("Schema", schema)}


def _references(schema: Any) -> Iterator[str]:
    """Every reference inside a schema, as it is written."""
    if not isinstance(schema, dict):
        return
    for key, value in cast("Schema", schema).items():
        if key == "$ref" and isinstance(value, str):
            yield value
        elif key in ONE:
            yield from _references(value)
        elif key in MANY and isinstance(value, list):
            for item in cast("list[Any]", value):
                yield from _references(item)
        elif key in NAMED and isinstance(value, dict):
            for item in cast("Schema", value).values():
                yield from _references(item)


def _uses(schema: Any, definitions: Mapping[str, Any]) -> set[str]:
    matches = (_POINTER_TO_DEFINITION.search(reference) for reference in _references(schema))
    return {name for match in matches if match is not None and (name := _unescaped(match[1])) in definitions}


def _points_outside(schema: Any) -> bool:
    return any("#/$defs/" not in reference for reference in _references(schema))


def _reached(name: str, uses: Mapping[str, set[str]]) -> set[str]:
    reached = {name}
    waiting = [name]
    while waiting:
        fresh = uses[waiting.pop()] - reached
        reached |= fresh
        waiting.extend(fresh)
    return reached


def _unescaped(token: str) -> str:
    return unquote(token).replace("~1", "/").replace("~0", "~")
