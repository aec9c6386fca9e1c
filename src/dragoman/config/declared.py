"""The contract of an executable, as its source declares it: properties in short, a schema file, or a type's name.

A property is a type's name or a JSON Schema of its own. One without a default must be given, and nothing else may be:
a program should not find out about a missing or misspelt argument by itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from dragoman.config.kinds import Schema, shown, wrong
from dragoman.config.problem import Refused, did_you_mean
from dragoman.contract.function import ContractError
from dragoman.contract.nesting import DEPTH_MAX
from dragoman.contract.pointer import pointer

JSON_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")

PROPERTIES_MAX = 1000
"""Past this a schema is somebody's mistake; checks and documents built from it stay small."""

INTEGER_BITS_MAX = 64
DRAFT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class SchemaFile:
    """A schema that stands in a file of its own, still to be read."""

    name: str


@dataclass(frozen=True)
class Declared:
    """What `input` (an object always) or `output` (anything) may be."""

    output: bool

    def read(self, value: object) -> Schema | SchemaFile:
        """The whole JSON Schema, or the file that holds it."""
        if isinstance(value, str):
            return self._named(value)
        if not isinstance(value, dict):
            raise wrong(self._expected(), value)
        table = cast("dict[str, object]", value)
        check_plain(table, (), 0)
        return table if _is_whole(table) else object_schema(table)

    def _expected(self) -> str:
        name = " or the name of a JSON type" if self.output else ""
        return f'a table of properties, a schema file such as "input.json"{name}'

    def _named(self, value: str) -> Schema | SchemaFile:
        if self.output and value in JSON_TYPES:
            return {"type": value}
        if not value.endswith(".json") or "\0" in value:
            raise wrong(self._expected(), value)
        return SchemaFile(value)

    def schema(self) -> Schema:
        """A string, or an object of type names and schemas."""
        names = {"type": "string", "enum": list(JSON_TYPES)}
        file = {"type": "string", "pattern": r"\.json$"}
        properties = {"type": "object", "additionalProperties": {"anyOf": [names, {"$ref": DRAFT}]}}
        return {"anyOf": [file, properties, {"$ref": DRAFT}, *([names] if self.output else [])]}

    def words(self) -> str:
        """For the reference page."""
        return "table, or a `.json` file" + (", or a type's name" if self.output else "")


def parse_schema(text: bytes, *, output: bool) -> Schema:
    """Read the content of a schema file. Raises `Refused`."""
    try:
        value: Any = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        msg = f"is nested deeper than {DEPTH_MAX}"
        raise Refused(msg) from None
    except ValueError as error:
        msg = f"is not JSON: {error}"
        raise Refused(msg) from None
    if not isinstance(value, dict):
        message = f"is no JSON Schema: it holds {shown(value)}"
        raise Refused(message)
    schema = cast("Schema", value)
    check_plain(schema, (), 0)
    if not output and schema.get("type") != "object":
        msg = 'does not say "type": "object", which the input of a function always is'
        raise Refused(msg)
    return schema


def _is_whole(table: dict[str, object]) -> bool:
    """Whether a table is a schema rather than properties, which `type` beside `properties` or `items` gives away."""
    inner = "items" if table.get("type") == "array" else "properties"
    return "$schema" in table or (table.get("type") in {"object", "array"} and isinstance(table.get(inner), dict))


def object_schema(table: Mapping[str, object]) -> Schema:
    """The whole schema of properties in short. Raises `Refused` with the property that is wrong."""
    properties = {name: _property(name, value) for name, value in table.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name, schema in properties.items() if "default" not in schema],
        "additionalProperties": False,
    }


def _property(name: str, value: object) -> Schema:
    if isinstance(value, str):
        if value not in JSON_TYPES:
            msg = f"expected a JSON type, found {shown(value)}{did_you_mean(value, JSON_TYPES)}"
            raise Refused(msg, (name,))
        return {"type": value}
    if not isinstance(value, dict):
        raise wrong('a JSON type such as "string", or a table that is a JSON Schema', value, (name,))
    schema = cast("Schema", value)
    kind: object = schema.get("type")
    if isinstance(kind, str) and kind not in JSON_TYPES:
        msg = f"expected a JSON type, found {shown(kind)}{did_you_mean(kind, JSON_TYPES)}"
        raise Refused(msg, (name, "type"))
    return schema


def check_schema(schema: Schema) -> None:
    """Raise `Refused` for what is no JSON Schema, or for a default that its own property refuses."""
    from dragoman.contract.check import Checker  # noqa: PLC0415 - 11 ms of a start, for commands alone

    try:
        checker = Checker(schema)
    except ContractError as error:
        message = f"is {error}"
        raise Refused(message) from None
    properties: object = schema.get("properties")
    for name, member in cast("dict[str, Any]", properties if isinstance(properties, dict) else {}).items():
        if not isinstance(member, dict) or "default" not in member:
            continue
        default = cast("Schema", member)["default"]
        for breach in checker.breaches({name: default}):
            if pointer([name]) == breach.path or breach.path.startswith(pointer([name]) + "/"):
                message = f"the default of {name!r} breaks its own schema: {breach.message}"
                raise Refused(message)


def check_plain(value: object, below: tuple[str | int, ...], depth: int) -> None:
    """Refuse what TOML or Python can say and JSON cannot: dates, infinities, endless digits."""
    if depth > DEPTH_MAX:
        msg = f"is nested deeper than {DEPTH_MAX}"
        raise Refused(msg, below)
    if isinstance(value, dict):
        inner: list[tuple[str | int, object]] = list(cast("dict[str | int, object]", value).items())
    elif isinstance(value, list):
        inner = list(enumerate(cast("list[object]", value)))
    else:
        inner = []
        _check_scalar(value, below)
    if len(inner) > PROPERTIES_MAX:
        msg = f"expected at most {PROPERTIES_MAX} entries, found {len(inner)}"
        raise Refused(msg, below)
    for key, item in inner:
        check_plain(item, (*below, key), depth + 1)


def _check_scalar(value: object, below: tuple[str | int, ...]) -> None:
    plain = value is None or isinstance(value, (str, bool))
    if isinstance(value, float):
        plain = math.isfinite(value)
    elif isinstance(value, int):
        plain = value.bit_length() <= INTEGER_BITS_MAX
    if not plain:
        raise wrong("a value that JSON has", value, below)


def _no_constant(name: str) -> None:
    msg = f"{name} is no JSON number"
    raise ValueError(msg)
