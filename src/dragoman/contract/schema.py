"""Python types as JSON Schema 2020-12.

Walks annotations rather than asking the decoder's own generator, because a type that cannot be a contract has to be
named with its place, and because some constraints are known only to the annotation.
"""

from __future__ import annotations

import collections
import collections.abc
import copy
import math
import re
import typing
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Flag
from typing import Any, Literal, TypeVar, get_args, get_origin
from uuid import UUID

from dragoman.contract import docstring
from dragoman.contract.annotation import (
    REQUIRED,
    Field,
    Unresolved,
    alias_value,
    fields_of,
    is_alias,
    is_enum,
    is_model,
    is_named_tuple,
    is_path,
    is_struct,
    is_union,
    strip,
)
from dragoman.contract.codecs.typed import Meta, builtins
from dragoman.contract.constraint import Unenforceable, read
from dragoman.contract.malformed import Malformed
from dragoman.contract.plain import type_name
from dragoman.contract.table import INPUT, OUTPUT, is_table
from dragoman.core.fault import Fault

Schema = dict[str, Any]
_DEFINITIONS = "#/$defs/"

_BYTES: Schema = {"type": "string", "contentEncoding": "base64"}
_SIMPLE: dict[Any, Schema] = {
    None: {"type": "null"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: _BYTES,
    bytearray: _BYTES,
    memoryview: _BYTES,
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "string", "format": "duration"},
    UUID: {"type": "string", "format": "uuid"},
    Decimal: {"type": "string", "format": "decimal"},
    getattr(typing, "LiteralString", str): {"type": "string"},
}
_STRICTER_THAN_DECODER = frozenset({datetime, Decimal})
"""The decoder also takes a date-time without offset, and a decimal as a (rounded) JSON number."""

_ABSTRACT = collections.abc
_SETS = frozenset({set, frozenset, _ABSTRACT.Set, _ABSTRACT.MutableSet})
_ARRAYS = _SETS | {
    *(list, collections.deque, _ABSTRACT.Sequence, _ABSTRACT.MutableSequence),
    *(_ABSTRACT.Collection, _ABSTRACT.Iterable),
}
_OBJECTS = frozenset(
    {dict, collections.OrderedDict, collections.defaultdict, _ABSTRACT.Mapping, _ABSTRACT.MutableMapping}
)
_KEY_PATTERNS = {int: r"^-?(0|[1-9][0-9]*)$", float: r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"}
_KEYS = frozenset({Any, str, int, float, datetime, date, UUID, Decimal})
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_HINTS = {
    "numpy": "annotate it as list[float] or the like: numpy values that are returned are converted",
    "pandas": "annotate it as pandas.DataFrame, or as list[float] or the like: pandas values are converted",
    "polars": "annotate it as polars.DataFrame, or as list[float] or the like",
    "pyarrow": "annotate it as pyarrow.Table",
    "nanoarrow": "annotate it as nanoarrow.Array or nanoarrow.ArrayStream",
    "collections.abc": "pass data, not behaviour",
}


class Unsupported(ValueError):  # noqa: N818 - names the condition, as all of our errors do
    """A type that cannot be part of a contract; `kind` is the type, `where` the way to it, `why` the rest."""

    def __init__(self, kind: Any, why: str) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why
        self.where: list[str] = []


class SchemaBuilder:
    """Builds the schemas of one side of one function: they share their `$defs`.

    `stricter` turns true once a schema says more than the typed decoder enforces, so that input has to be checked
    against the schema as well; `patterned` once it holds a pattern of the user's, which not every engine takes.
    """

    def __init__(self, *, output: bool = False) -> None:
        self.definitions: dict[str, Schema] = {}
        self.stricter = False
        self.patterned = False
        self._names: dict[Any, str] = {}
        self._output = output

    def schema(self, kind: Any) -> Schema:
        """Build the schema of a type; records and enumerations become references. Raises `Unsupported`."""
        try:
            return self._build(kind)
        except (Unresolved, Unenforceable) as error:
            raise Unsupported(kind, str(error)) from None
        except RecursionError:
            raise Unsupported(kind, "nests without end") from None

    def complete(self, schema: Schema) -> Schema:
        """Give a schema the definitions that it refers to, so that it stands alone."""
        needed: dict[str, Schema] = {}
        waiting = _references(schema)
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed[name] = copy.deepcopy(self.definitions[name])
                waiting |= _references(needed[name])
        return {**schema, "$defs": {name: needed[name] for name in sorted(needed)}} if needed else schema

    def inline(self, schema: Schema) -> Schema:
        """Replace a schema that only refers to a definition by what it refers to."""
        reference = schema.get("$ref", "")
        return dict(self.definitions[reference.removeprefix(_DEFINITIONS)]) if reference else schema

    def _build(self, kind: Any) -> Schema:  # noqa: PLR0911 - one return per way to write a type
        if is_alias(kind):
            return self._defined(kind, lambda: self._build(alias_value(kind)))
        if hasattr(kind, "__supertype__"):
            return self._build(kind.__supertype__)
        if isinstance(kind, TypeVar):
            members = kind.__constraints__
            return self._any_of(members) if members else self._build(kind.__bound__ or Any)
        if kind in _SIMPLE:
            self.stricter = self.stricter or kind in _STRICTER_THAN_DECODER
            return dict(_SIMPLE[kind])
        origin = get_origin(kind)
        if origin is typing.Annotated:
            return self._annotated(get_args(kind)[0], kind.__metadata__)
        if is_union(kind):
            return self._any_of(get_args(kind))
        if origin is Literal:
            return {"enum": list(get_args(kind))}
        if strip(kind) is not kind:
            return self._build(strip(kind))
        return self._class(kind, origin or kind)

    def _class(self, kind: Any, origin: Any) -> Schema:  # noqa: C901, PLR0911, PLR0912 - one return per kind of class
        if origin is collections.Counter:
            return self._object((*get_args(kind), int))
        if origin in _ARRAYS:
            return self._array(get_args(kind))
        if origin in _OBJECTS:
            return self._object(get_args(kind))
        if is_enum(kind):
            return self._defined(kind, lambda: self._enum(kind))
        if is_model(kind):
            return self._defined(kind, lambda: self._model(kind))
        if is_named_tuple(origin):
            return self._defined(kind, lambda: self._row(kind, fields_of(kind) or []))
        if origin is tuple:
            return self._tuple(kind, get_args(kind))
        if (fields := fields_of(kind)) is not None:
            return self._defined(kind, lambda: self._record(kind, origin, fields))
        if isinstance(origin, type):
            if is_table(origin):
                return copy.deepcopy(OUTPUT if self._output else INPUT)
            if is_path(origin):
                return dict(_SIMPLE[str])
            for base in (str, int, float):
                if issubclass(origin, base):
                    return dict(_SIMPLE[base])
        raise Unsupported(kind, _advice(origin))

    def _defined(self, kind: Any, build: typing.Callable[[], Schema]) -> Schema:
        """Build a named part once, and refer to it; the name is taken before building, for what contains itself."""
        if kind not in self._names:
            name = wanted = _NOT_A_NAME.sub("_", re.sub(r"[\w.]+\.", "", _plain_name(kind))).strip("_") or "Type"
            count = 2
            while name in self.definitions:
                name, count = f"{wanted}_{count}", count + 1
            self._names[kind] = name
            self.definitions[name] = {}
            self.definitions[name] = build()
        return {"$ref": f"{_DEFINITIONS}{self._names[kind]}"}

    def _any_of(self, members: tuple[Any, ...]) -> Schema:
        if self._output:
            # What is returned in place of an item is no value: the caller gets a failed call (`contract.batch`).
            members = tuple(kind for kind in members if not is_fault(kind)) or members
        schemas: list[Schema] = []
        for member in members:
            if (schema := self._build(member)) not in schemas:
                schemas.append(schema)
        if {} in schemas:
            return {}
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _annotated(self, kind: Any, metadata: tuple[Any, ...]) -> Schema:
        before = self.stricter
        schema = self._build(kind)
        if any(isinstance(item, Meta) and item.tz is False for item in metadata) and strip(kind) is datetime:
            schema.pop("format", None)
            self.stricter = before
        constraint = read(metadata, schema, self._types(schema))
        self.stricter = self.stricter or constraint.foreign
        self.patterned = self.patterned or "pattern" in constraint.keywords
        return {**schema, **constraint.keywords}

    def _types(self, schema: Schema) -> frozenset[str]:
        """The JSON types that a schema allows."""
        if "$ref" in schema:
            schema = self.definitions[schema["$ref"].removeprefix(_DEFINITIONS)]
        if "anyOf" in schema:
            return frozenset[str]().union(*map(self._types, schema["anyOf"]))
        return frozenset({schema["type"]}) if isinstance(schema.get("type"), str) else frozenset()

    def _array(self, arguments: tuple[Any, ...]) -> Schema:
        items = self._build(arguments[0]) if arguments else {}
        return {"type": "array", "items": items} if items else {"type": "array"}

    def _tuple(self, kind: Any, arguments: tuple[Any, ...]) -> Schema:
        if not arguments and kind in {tuple, typing.Tuple}:  # noqa: UP006 - the bare alias of old code
            return {"type": "array"}
        if len(arguments) == 2 and arguments[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
            return self._array(arguments[:1])
        members = [] if arguments == ((),) else list(arguments)
        return _fixed([self._build(member) for member in members], len(members))

    def _object(self, arguments: tuple[Any, ...]) -> Schema:
        if not arguments:
            return {"type": "object"}
        key, value = arguments
        schema: Schema = {"type": "object"}
        if members := self._build(value):
            schema["additionalProperties"] = members
        if names := self._key(key):
            schema["propertyNames"] = names
        return schema

    def _key(self, key: Any) -> Schema:
        bare = strip(key)
        if is_union(bare) or get_origin(bare) is Literal or is_enum(bare):
            values = [m.value for m in bare] if is_enum(bare) else get_args(bare)
            if is_union(bare):
                return {"anyOf": [self._key(member) for member in values]}
            return {"enum": [str(value) for value in values]}
        if bare not in _KEYS and not (isinstance(bare, TypeVar) or bare is object):
            raise Unsupported(key, "the keys of an object are text: use str, int, a date, an id or an enumeration")
        if bare in _KEY_PATTERNS:
            return {"pattern": _KEY_PATTERNS[bare]}
        schema = self._build(key)
        return {} if schema == {"type": "string"} else {k: v for k, v in schema.items() if k != "type"}

    def _enum(self, kind: Any) -> Schema:
        values = [member.value for member in kind]
        if issubclass(kind, Flag):
            self.stricter = True  # the decoder takes bits that have no name
            most = 0
            for value in values:
                most |= value
            return {"type": "integer", "minimum": 0, "maximum": most, **_described(kind, docstring.parse(kind.__doc__))}
        for value in values:
            if value is not None and type(value) not in {bool, int, float, str}:
                raise Unsupported(kind, "the values of an enumeration in a contract are text or numbers")
        return {"enum": values, **_described(kind, docstring.parse(kind.__doc__))}

    def _record(self, kind: Any, origin: Any, fields: list[Field]) -> Schema:
        config = getattr(origin, "__struct_config__", None)
        if config is not None and config.array_like:
            return self._row(kind, fields, tag=config.tag)
        documented = docstring.parse(_own_docstring(origin))
        properties: dict[str, Schema] = {}
        required: list[str] = []
        if config is not None and config.tag is not None:
            properties[config.tag_field] = {"enum": [config.tag]}
            required.append(config.tag_field)
        for field in fields:
            if not (field.kept if self._output else field.taken):
                continue
            properties[field.key] = self._field(kind, field, documented.parameters.get(field.name, ""))
            if field.required:
                required.append(field.key)
        schema: Schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if config is not None and config.forbid_unknown_fields:
            schema["additionalProperties"] = False
        return {**_described(origin, documented), **schema}

    def _row(self, kind: Any, fields: list[Field], tag: Any = None) -> Schema:
        members = [] if tag is None else [{"enum": [tag]}]
        members += [self._field(kind, field, "") for field in fields]
        required = len(members) - sum(not field.required for field in fields)
        return _fixed(members, required, closed=not is_struct(get_origin(kind) or kind))

    def _field(self, kind: Any, field: Field, description: str) -> Schema:
        try:
            schema = self._build(field.kind)
        except Unsupported as error:
            error.where.insert(0, f"{type_name(get_origin(kind) or kind)}.{field.name}")
            raise
        except (Unresolved, Unenforceable) as error:
            unsupported = Unsupported(field.kind, str(error))
            unsupported.where.insert(0, f"{type_name(get_origin(kind) or kind)}.{field.name}")
            raise unsupported from None
        return annotate(schema, field.default, description)

    def _model(self, kind: Any) -> Schema:
        self.stricter = True  # pydantic reads "5" as a number; its schema does not
        mode = "serialization" if self._output else "validation"
        schema: Schema = kind.model_json_schema(mode=mode, ref_template="#/$defs/{model}")
        definitions: dict[str, Schema] = schema.pop("$defs", {})
        renamed = {name: self._free(name, part) for name, part in definitions.items()}
        for name, part in definitions.items():
            self.definitions[renamed[name]] = _repoint(part, renamed)
        schema = _repoint(schema, renamed)
        reference = schema.get("$ref", "")
        return dict(self.definitions[reference.removeprefix(_DEFINITIONS)]) if reference else schema

    def _free(self, wanted: str, part: Schema) -> str:
        name, count = wanted, 2
        while name in self.definitions and self.definitions[name] != part:
            name, count = f"{wanted}_{count}", count + 1
        self.definitions[name] = part
        return name


def is_fault(kind: Any) -> bool:
    """Whether a type is that of a failed call."""
    return isinstance(kind, type) and issubclass(kind, Fault)


def annotate(schema: Schema, default: Any, description: str) -> Schema:
    """Add a default, where JSON has a form for it, and a description, where the schema has none of its own."""
    schema = dict(schema)
    if description and "description" not in schema:
        schema["description"] = description
    if default is not REQUIRED:
        try:
            plain = builtins(default)
        except Malformed:
            return schema
        if _may_be_default(plain, schema):
            schema["default"] = plain
    return schema


def _may_be_default(plain: Any, schema: Schema) -> bool:
    """Whether a schema may show a default: not a NaN, nor one (`limit: int = None`) that callers may not send."""
    if isinstance(plain, float) and not math.isfinite(plain):
        return False
    return plain is not None or _allows_null(schema)


def _allows_null(schema: Schema) -> bool:
    if "anyOf" in schema:
        return any(_allows_null(branch) for branch in schema["anyOf"])
    return "$ref" not in schema and schema.get("type", "null") == "null" and None in schema.get("enum", [None])


def _references(part: Any) -> set[str]:
    """The names of the definitions that a schema refers to."""
    if isinstance(part, dict):
        view: Schema = part  # pyright: ignore[reportUnknownVariableType] - a schema is any JSON
        reference = view.get("$ref")
        found = {reference.removeprefix(_DEFINITIONS)} if isinstance(reference, str) else set[str]()
        return found.union(*(_references(member) for member in view.values()))
    return set[str]().union(*(_references(member) for member in part)) if isinstance(part, list) else set()  # pyright: ignore[reportUnknownVariableType] - a schema is any JSON


def _fixed(members: list[Schema], required: int, *, closed: bool = True) -> Schema:
    schema: Schema = {"type": "array", "minItems": required}
    if members:
        schema["prefixItems"] = members
    if closed:
        schema["maxItems"] = len(members)
    return schema


def _described(kind: Any, documented: docstring.Documented) -> Schema:
    """The description of a class, unless it is one that Python wrote."""
    text = documented.description if _own_docstring(kind) else ""
    return {"description": text} if text else {}


def _own_docstring(kind: Any) -> str | None:
    """A class's own docstring: not its parent's, and not the signature that `dataclass` and `Enum` put there."""
    text = vars(kind).get("__doc__") if isinstance(kind, type) else None
    if not isinstance(text, str) or text == "An enumeration." or text.startswith(f"{kind.__name__}("):
        return None
    return text


def _plain_name(kind: Any) -> str:
    if is_alias(kind) or not isinstance(kind, type) or get_args(kind):
        return str(kind)
    return kind.__name__


def _repoint(part: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        view: Schema = part  # pyright: ignore[reportUnknownVariableType] - a schema is any JSON
        return {
            key: f"{_DEFINITIONS}{renamed.get(value.removeprefix(_DEFINITIONS), value.removeprefix(_DEFINITIONS))}"
            if key == "$ref" and isinstance(value, str)
            else _repoint(value, renamed)
            for key, value in view.items()
        }
    return [_repoint(member, renamed) for member in part] if isinstance(part, list) else part  # pyright: ignore[reportUnknownVariableType] - a schema is any JSON


def _advice(origin: Any) -> str:
    module = str(getattr(origin, "__module__", "")).partition(".")
    for name in (str(getattr(origin, "__module__", "")), module[0]):
        if name in _HINTS:
            return _HINTS[name]
    return "use plain types, a dataclass, a TypedDict, a msgspec.Struct or a pydantic model"
