"""Schemas of an OpenAPI document as JSON Schema 2020-12 that stands by itself.

References into the document become `#/$defs/Name`, so that recursive types stay what they are; what OpenAPI 3.0 says in
its own way (`nullable`, booleans for exclusive bounds) is said as JSON Schema says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from dragoman.contract.check import Checker
from dragoman.contract.codecs import json
from dragoman.contract.function import ContractError
from dragoman.contract.manifest import SCHEMA_BYTES_MAX
from dragoman.upstream.document import items, steps, table
from dragoman.upstream.operation import SpecError

if TYPE_CHECKING:
    from dragoman.upstream.document import Document

DEPTH_MAX = 100
"""Levels of one schema written out, references not counted; real ones have ten."""
DEFINITIONS_MAX = 2000
"""Types that one operation leads to; the whole of a large API has fewer."""

_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_ONES = frozenset(
    {
        *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
        *("unevaluatedItems", "unevaluatedProperties", "contentSchema", "additionalItems"),
    }
)
_DROPPED = frozenset(
    {
        *("nullable", "discriminator", "xml", "externalDocs", "example", "examples", "$schema", "$id", "$comment"),
        *("$anchor", "id"),
    }
)
_BEYOND = frozenset({"$dynamicRef", "$dynamicAnchor", "$recursiveRef"})
_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


class Schemas:
    """Converts the schemas of one direction of one operation, and gathers what they refer to."""

    def __init__(self, document: Document, direction: Literal["input", "output"]) -> None:
        self._document = document
        self._hidden = "readOnly" if direction == "input" else "writeOnly"
        self._names: dict[str, str] = {}
        self._waiting: list[str] = []

    def convert(self, node: Any, where: str, depth: int = 0) -> Any:
        """One schema. Raises `SpecError`."""
        if isinstance(node, bool):
            return node
        source = table(node, where)
        if depth > DEPTH_MAX:
            raise SpecError(f"{where}: a schema nests more than {DEPTH_MAX} levels deep")
        if strange := _BEYOND & source.keys():
            raise SpecError(f"{where}: {min(strange)} is not followed here; refer by $ref")
        reference = source.get("$ref")
        if isinstance(reference, str):
            schema: dict[str, Any] = {"$ref": f"#/$defs/{self._name(reference)}"}
            if self._document.old:
                return schema
            source = {key: value for key, value in source.items() if key != "$ref"}
            return schema | self._members(source, where, depth)
        return self._members(source, where, depth)

    def definitions(self) -> dict[str, Any]:
        """All that was referred to so far, by name. Raises `SpecError`."""
        made: dict[str, Any] = {}
        while self._waiting:
            reference = self._waiting.pop()
            made[self._names[reference]] = self.convert(self._document.find(reference), reference)
        return made

    def _name(self, reference: str) -> str:
        known = self._names.get(reference)
        if known is not None:
            return known
        if len(self._names) >= DEFINITIONS_MAX:
            raise SpecError(f"it leads to more than {DEFINITIONS_MAX} types")
        self._document.find(reference)
        wanted = "".join(char if char.isalnum() or char in "_-." else "_" for char in steps(reference)[-1]) or "type"
        taken = set(self._names.values())
        name, number = wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted}_{number}"
        self._names[reference] = name
        self._waiting.append(reference)
        return name

    def _members(self, source: dict[str, Any], where: str, depth: int) -> dict[str, Any]:
        schema: dict[str, Any] = {}
        for key, value in source.items():
            if key in _MAPS:
                inner = table(value, f"{where}: {key}")
                schema[key] = {name: self.convert(each, f"{where}/{name}", depth + 1) for name, each in inner.items()}
            elif key in _LISTS or (key == "items" and isinstance(value, list)):
                each_of = items(value, f"{where}: {key}")
                schema[key] = [self.convert(each, f"{where}/{key}", depth + 1) for each in each_of]
            elif key in _ONES:
                schema[key] = self.convert(value, f"{where}/{key}", depth + 1)
            elif key not in _DROPPED and not key.startswith("x-"):
                schema[key] = value
        self._hide(schema)
        return old_style(schema, nullable=source.get("nullable") is True) if self._document.old else schema

    def _hide(self, schema: dict[str, Any]) -> None:
        """Ask for no property that goes the other way only."""
        properties, required = schema.get("properties"), schema.get("required")
        if isinstance(properties, dict) and isinstance(required, list):
            hidden = {name for name, each in cast("dict[str, Any]", properties).items() if self._is_hidden(each)}
            schema["required"] = [name for name in cast("list[Any]", required) if name not in hidden]

    def _is_hidden(self, schema: Any) -> bool:
        return isinstance(schema, dict) and cast("dict[str, Any]", schema).get(self._hidden) is True


def old_style(schema: dict[str, Any], *, nullable: bool) -> dict[str, Any]:
    """Say in JSON Schema what OpenAPI 3.0 says in its own way."""
    for exclusive, bound in _BOUNDS:
        flag = schema.get(exclusive)
        if isinstance(flag, bool):
            del schema[exclusive]
            if flag and bound in schema:
                schema[exclusive] = schema.pop(bound)
    if not nullable:
        return schema
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
        return schema
    return {"anyOf": [schema, {"type": "null"}]} if schema else schema


def check_schema(schema: dict[str, Any]) -> None:
    """Raise `SpecError` for a schema that cannot be enforced, or is too long to be shown."""
    if len(json.encode(schema)) > SCHEMA_BYTES_MAX:
        raise SpecError(f"its schema is longer than {SCHEMA_BYTES_MAX // 1024}KB")
    try:
        Checker(schema)
    except ContractError as error:
        raise SpecError(f"its schema is {error}") from None
