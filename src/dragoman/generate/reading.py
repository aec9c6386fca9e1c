"""JSON Schema 2020-12 as kinds and named types.

A definition is read once however many functions refer to it: what is equal under one name, with all that it refers to,
is one type. What no type can say becomes `Anything`, with the reason.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from dragoman.generate import schemas
from dragoman.generate.model import (
    Anything,
    Binary,
    Boolean,
    Constant,
    Declaration,
    Either,
    Enumeration,
    Field,
    Integer,
    Kind,
    Listing,
    Mapping,
    Named,
    Nothing,
    Nullable,
    Number,
    Record,
    Row,
    Text,
    Union,
)
from dragoman.generate.naming import Scope, pascal
from dragoman.generate.notes import KNOWN_FORMATS, about, description

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.generate.schemas import Schema, Variant

DEPTH_MAX = 40
"""How deep types nest within one another without a name between; deeper ones are for programs, and no type helps."""
_JOINED_CHARACTERS_MAX = 40
"""Of a name made of other names."""
_ROW_MEMBERS_MAX = 12
"""Members of a tuple: what most languages' own tuples hold."""


class Types:
    """The named types of a client, as they are met."""

    def __init__(self, reserved: frozenset[str] = frozenset()) -> None:
        self._scope = Scope(reserved)
        self._found: dict[str, Declaration | None] = {}
        self._names: dict[tuple[str, ...], str] = {}

    def take(self, wanted: str) -> str:
        """A name that no type gets any more, and neither does it with `Async` before it."""
        return self._scope.pair(wanted, "Async")

    def declare(self, key: tuple[str, ...], wanted: tuple[str, ...], build: Callable[[str], Declaration]) -> Named:
        """The type that is known by `key`; made, where there is none yet, after its name: it may contain itself."""
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self._scope.name(*wanted)
            self._found[name] = None
            self._found[name] = build(name)
        return Named(name)

    def declarations(self) -> tuple[Declaration, ...]:
        """All of them, in the order in which they were met."""
        return tuple(each for each in self._found.values() if each is not None)


class Reading:
    """Reads the schemas of one side of one function: they share its definitions."""

    def __init__(self, types: Types, schema: Schema) -> None:
        self._types = types
        self._root = schema
        self._open: list[str] = []
        self._defined: Schema | None = None
        self._depth = 0
        self._by_type: dict[str, Callable[[Schema, str], Kind]] = {
            "null": lambda _, __: Nothing(),
            "boolean": lambda _, __: Boolean(),
            "integer": lambda view, _: Integer(*schemas.bounds(view)),
            "number": lambda _, __: Number(),
            "string": lambda view, _: text(view),
            "array": self._array,
            "object": self._object,
        }

    def kind(self, schema: Any, name: str) -> Kind:
        """What a schema allows; `name` is for a type in it that has none of its own."""
        if self._depth >= DEPTH_MAX:
            return Anything("it nests too deep")
        self._depth += 1
        try:
            return self._read(schema, name)
        finally:
            self._depth -= 1

    def record(self, schema: Schema, name: str) -> Kind:
        """An object with known properties, as a named type."""
        further = schema.get("additionalProperties")
        if isinstance(further, dict) and further:
            return Mapping(Anything("it has further properties of a type of their own"))
        if "patternProperties" in schema:
            return Mapping(Anything("its properties are known by patterns"))
        words = self._words(schema)
        members = {key: schema[key] for key in ("properties", "required") if key in schema}
        return self._declared(members, name, lambda name: Record(name, self._fields(schema, name), words))

    def _read(self, schema: Any, name: str) -> Kind:  # noqa: PLR0911 - one return for each form of schema
        if not isinstance(schema, dict):
            return Anything() if schema is True else Anything("its schema allows nothing")
        view = cast("Schema", schema)
        if "$ref" in view:
            return self._reference(view)
        if "allOf" in view:
            merged = schemas.merged(view, self._root)
            return Anything("it joins schemas") if merged is None else self.kind(merged, name)
        if "const" in view:
            return self._choice(view, [view["const"]], name)
        if isinstance(view.get("enum"), list):
            return self._choice(view, view["enum"], name)
        for keyword in ("anyOf", "oneOf"):
            if isinstance(view.get(keyword), list):
                return self._any_of(view, view[keyword], name)
        named = view.get("type", schemas.implied(view))
        if isinstance(named, list):
            return self._any_of({}, [{**view, "type": each} for each in cast("list[Any]", named)], name)
        read = self._by_type.get(named) if isinstance(named, str) else None
        return Anything(schemas.beyond(view)) if read is None else read(view, name)

    def _reference(self, view: Schema) -> Kind:
        name = schemas.definition_name(view)
        target = schemas.resolve(view, self._root)
        if target is None:
            return Anything("it refers to what is not there")
        if name in self._open:
            return Anything("it contains itself without a record between")
        self._open.append(name)
        self._defined = target
        try:
            return self.kind(target, pascal(name))
        finally:
            self._open.pop()

    def _array(self, view: Schema, name: str) -> Kind:
        members = view.get("prefixItems")
        if isinstance(members, list) and members:
            return self._row(view, cast("list[Any]", members), name)
        return Listing(self.kind(view.get("items", True), f"{name}Item"))

    def _row(self, view: Schema, members: list[Any], name: str) -> Kind:
        kinds = tuple(self.kind(member, f"{name}{place}") for place, member in enumerate(members, 1))
        closed = view.get("items") is False or view.get("maxItems") == len(members)
        if closed and view.get("minItems") == len(members) and len(members) <= _ROW_MEMBERS_MAX:
            return Row(kinds)
        same = all(kind == kinds[0] for kind in kinds)
        return Listing(kinds[0] if same and closed else Anything("its members are of several types, and may be absent"))

    def _object(self, view: Schema, name: str) -> Kind:
        if schemas.properties(view):
            return self.record(view, name)
        patterns, further = view.get("patternProperties"), view.get("additionalProperties", True)
        if isinstance(patterns, dict) and patterns:
            values = list(cast("Schema", patterns).values())
            alone = len(values) == 1 and further is False
            return Mapping(self.kind(values[0], f"{name}Value") if alone else Anything("its keys have patterns"))
        return Mapping(Anything() if further is False else self.kind(further, f"{name}Value"))

    def _choice(self, view: Schema, values: list[Any], name: str) -> Kind:
        if None in values:
            others = [value for value in values if value is not None]
            return nullable(self._choice(view, others, name)) if others else Nothing()
        types: set[type] = {type(value) for value in values}
        if types == {bool}:
            return Boolean()
        if len(types) != 1 or not types <= {str, int}:
            return Number() if types <= {int, float} else Anything("it is a choice of values of several types")
        once = tuple(dict.fromkeys(values))
        if len(once) == 1:
            return Constant(once[0])
        words = self._words(view)
        return self._declared({"enum": list(once)}, name, lambda name: Enumeration(name, once, words))

    def _any_of(self, view: Schema, branches: list[Any], name: str) -> Kind:
        others = [each for each in branches if not schemas.is_null(each)]
        if len(others) < len(branches):
            return nullable(self._any_of(view, others, name)) if others else Nothing()
        if len(others) <= 1:
            return self.kind(others[0], name) if others else Anything("its schema allows nothing")
        found = schemas.tagged(view, others, self._root)
        if found is not None:
            tag, variants = found
            words = self._words(view)
            return self._declared(
                {"anyOf": others},
                name if self._defined is view else _joined(variants) or name,
                lambda name: Union(name, tag, tuple((v.value, self._case(v, tag, name)) for v in variants), words),
            )
        kinds = tuple(dict.fromkeys(self.kind(each, f"{name}{place}") for place, each in enumerate(others, 1)))
        if any(isinstance(kind, Nullable) for kind in kinds):
            return nullable(either(tuple(kind.inner if isinstance(kind, Nullable) else kind for kind in kinds)))
        return either(kinds)

    def _case(self, variant: Variant, tag: str, union: str) -> str:
        own = f"{union}{pascal(variant.value)}"
        wanted = (pascal(variant.name), own) if variant.name else (own,)
        key = ("case", tag, variant.name or union, self._content(variant.schema))
        fields = schemas.without(variant.schema, tag)
        return self._types.declare(
            key,
            wanted,
            lambda name: Record(
                name, self._fields(fields, name), description(fields) if variant.name else (), (tag, variant.value)
            ),
        ).name

    def _fields(self, schema: Schema, name: str) -> tuple[Field, ...]:
        required = schema.get("required", [])
        # What a record holds is not within what refers to it: a type of its own stands between.
        opened, self._open, depth, self._depth = self._open, [], self._depth, 0
        try:
            return tuple(
                Field(
                    wire,
                    self.kind(member, f"{name}{pascal(wire)}"),
                    wire in required,
                    about(member),
                    deprecated=isinstance(member, dict) and cast("Schema", member).get("deprecated") is True,
                )
                for wire, member in schemas.properties(schema).items()
            )
        finally:
            self._open, self._depth = opened, depth

    def _declared(self, schema: Schema, name: str, build: Callable[[str], Declaration]) -> Named:
        return self._types.declare((name, self._content(schema)), (name,), build)

    def _content(self, schema: Schema) -> str:
        """A schema with all that it refers to, as text that is equal for equal ones."""
        return content(schema, self._root)

    def _words(self, view: Schema) -> tuple[str, ...]:
        """What is said of a definition. What is said of a property stands with the property."""
        return description(view) if self._defined is view else ()


def content(schema: Schema, root: Schema) -> str:
    """A schema with all that it refers to, as text that is equal for equal ones."""
    own = {key: value for key, value in schema.items() if key != "$defs"}
    if schemas.properties(own):
        # A function's own input is closed, and described with it, where the same record elsewhere is not.
        own = {key: own[key] for key in ("properties", "required") if key in own}
    return json.dumps([own, schemas.closure(own, root)], sort_keys=True, separators=(",", ":"))


def _joined(variants: list[Variant]) -> str:
    """A name for a union that has none: that of its variants; empty where that is too long, or one has none."""
    names = [pascal(variant.name) for variant in variants if variant.name]
    joined = "Or".join(names)
    return joined if len(names) == len(variants) and len(joined) <= _JOINED_CHARACTERS_MAX else ""


def text(view: Schema) -> Kind:
    """What a schema of strings allows."""
    if view.get("contentEncoding") == "base64":
        return Binary()
    wanted = view.get("format")
    return Text(wanted) if wanted in KNOWN_FORMATS else Text()


def nullable(kind: Kind) -> Kind:
    """That, or null; what takes null already is left as it is."""
    return kind if isinstance(kind, Nullable | Nothing | Anything) else Nullable(kind)


def either(kinds: tuple[Kind, ...]) -> Kind:
    """One of several; any value among them makes it any value."""
    once = tuple(dict.fromkeys(kinds))
    if len(once) == 1:
        return once[0]
    whole = next((kind for kind in once if isinstance(kind, Anything)), None)
    return Anything(whole.why) if whole is not None else Either(once)
