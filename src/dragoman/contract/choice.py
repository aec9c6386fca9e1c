"""Types that the decoder cannot take as they are, rewritten into ones that it can.

A union whose members look alike on the wire (two dataclasses, text and a date) becomes a stand-in class: the decoder
hands it plain values, and each member is tried, the most particular first. A record that the decoder cannot build,
often for such a union in a field, becomes one too, and is built field by field.
"""

from __future__ import annotations

import collections
import collections.abc
import typing
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Literal, TypeVar, get_args, get_origin
from uuid import UUID

from dragoman.contract.annotation import (
    Field,
    alias_value,
    fields_of,
    is_alias,
    is_enum,
    is_model,
    is_named_tuple,
    is_path,
    is_union,
    strip,
)
from dragoman.contract.codecs.typed import UNSET, Meta, arguments, astuple, convert, json_decoder
from dragoman.contract.constraint import is_wide
from dragoman.contract.malformed import Malformed
from dragoman.contract.nesting import kind_of
from dragoman.contract.plain import type_name
from dragoman.contract.table import is_table

_ACCEPT = "__dragoman_accept__"
_FIELDS = "__dragoman_fields__"
_ABSENT: Any = object()
"""The value of a field that was not given, and that the record itself has a default for."""
_PARTICULAR = (datetime, date, time, timedelta, UUID, Decimal)
_SEQUENCES: tuple[Any, ...] = (collections.abc.Iterable, collections.deque)
_MAPPINGS: tuple[Any, ...] = (collections.Counter, collections.defaultdict, collections.OrderedDict)
_BASES: tuple[Any, ...] = (str, int, float)


def decodable(kind: Any) -> Any:
    """Rewrite a type, wherever its own parts allow, into one that the typed decoder takes with `decode_hook`."""
    return _rewrite(kind, {})


def decode_hook(kind: Any, value: Any) -> Any:
    """Build what the decoder does not know from the plain value that came. Raises `ValueError` for a misfit."""
    if (accept := getattr(kind, _ACCEPT, None)) is not None:
        return accept(value)
    origin: Any = get_origin(kind) or kind
    if origin is object:
        return value
    if is_model(origin):
        return origin.model_validate(value)
    if origin in _SEQUENCES:
        items = _nested(value, list[get_args(kind) or (Any,)])
        return items if origin is collections.abc.Iterable else origin(items)
    if origin in _MAPPINGS:
        return _mapping(kind, origin, value)
    if isinstance(origin, type):
        return _instance(origin, value)
    message = f"cannot be read as {type_name(kind)}"
    raise ValueError(message)


def _mapping(kind: Any, origin: Any, value: Any) -> Any:
    if origin is collections.Counter:
        counts: dict[Any, int] = _nested(value, dict[(*(get_args(kind) or (Any,)), int)])
        return collections.Counter(counts)
    members: dict[Any, Any] = _nested(value, _refill(kind, dict, get_args(kind)) if get_args(kind) else dict)
    return (
        collections.OrderedDict(members)
        if origin is collections.OrderedDict
        else collections.defaultdict(None, members)
    )


def _instance(kind: Any, value: Any) -> Any:
    if is_table(kind):
        from dragoman.contract.arrow import table_of  # noqa: PLC0415 - for the few functions that take tables

        return table_of(kind, value)
    if is_path(kind):
        if type(value) is str and "\0" not in value:
            return kind(value)
        wrong = "a text with a NUL character" if type(value) is str else f"`{type(value).__name__}`"
        message = f"Expected the path of a file, got {wrong}"
        raise ValueError(message)
    for plain in _BASES:
        if issubclass(kind, plain):
            return kind(_nested(value, plain))
    message = f"cannot be read as {type_name(kind)}"
    raise ValueError(message)


def _rewrite(kind: Any, aliases: dict[Any, Any]) -> Any:  # noqa: C901, PLR0911 - one return per way to write a type
    if is_alias(kind):
        return _rewrite_alias(kind, aliases)
    if hasattr(kind, "__supertype__"):
        return _rewrite(kind.__supertype__, aliases)
    if isinstance(kind, TypeVar):
        members = kind.__constraints__
        return (
            _union([_rewrite(member, aliases) for member in members])
            if members
            else _rewrite(kind.__bound__ or Any, aliases)
        )
    if kind is object or kind is None or kind is type(None):
        return Any if kind is object else None
    if kind is getattr(typing, "LiteralString", None):
        return str
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        metas = tuple(item for item in kind.__metadata__ if isinstance(item, Meta))
        inner = _rewrite(arguments[0], aliases)
        return _annotated(inner, metas) if metas else inner
    if is_union(kind):
        return _union([_rewrite(member, aliases) for member in arguments])
    if origin is Literal:
        return _one_of(kind, arguments) if any(type(value) is bool for value in arguments) else kind
    if is_enum(kind):
        values = [member.value for member in kind]
        return kind if _uniform(values) else _one_of(kind, values, list(kind))
    if _is_container(origin) and arguments:
        return _refill(kind, origin, tuple(a if a is Ellipsis else _rewrite(a, aliases) for a in arguments))
    if strip(kind) is not kind:
        return _rewrite(strip(kind), aliases)
    fields = None if is_named_tuple(origin or kind) else fields_of(kind)
    return kind if fields is None else _rewrite_record(kind, fields, aliases)


def _annotated(kind: Any, metas: tuple[Meta, ...]) -> Any:
    """Keep msgspec's own constraints where the decoder can enforce them; the schema does on unions and past 64 bits."""
    kept = tuple(meta for meta in metas if not is_wide(meta))
    return typing.Annotated[(kind, *kept)] if kept and not is_union(kind) and not hasattr(kind, _ACCEPT) else kind


def _is_container(origin: Any) -> bool:
    return isinstance(origin, type) and (origin.__module__ in {"builtins", "collections", "collections.abc"})


def _refill(kind: Any, origin: Any, arguments: tuple[Any, ...]) -> Any:
    return (
        kind
        if origin is get_origin(kind) and arguments == get_args(kind)
        else origin[arguments if len(arguments) > 1 else next(iter(arguments))]
    )


def _rewrite_alias(kind: Any, aliases: dict[Any, Any]) -> Any:
    """Open an alias."""

    def build() -> tuple[Any, Callable[[Any], Any]]:
        opened = _rewrite(alias_value(kind), aliases)
        return opened, partial(_nested, kind=opened)

    return _once(kind, aliases, build)


def _rewrite_record(kind: Any, fields: list[Field], aliases: dict[Any, Any]) -> Any:
    """Leave a record to the decoder where it can build it; else take it field by field."""
    config = getattr(get_origin(kind) or kind, "__struct_config__", None)
    if (config is not None and config.array_like) or (_is_whole(fields) and _is_decodable(kind)):
        return kind

    def build() -> tuple[Any, Callable[[Any], Any]]:
        taken = [(f.key, _rewrite(f.kind, aliases), UNSET if f.required else _ABSENT) for f in fields if f.taken]
        if config is not None and config.tag is not None:
            taken.append((config.tag_field, Literal[config.tag], UNSET))
        shape = arguments(type_name(kind), taken, closed=config is not None and config.forbid_unknown_fields)
        names = [_parameter(kind, field) for field in fields if field.taken]

        def accept(value: Any) -> Any:
            given = zip(names, astuple(_nested(value, shape)), strict=False)  # without the tag
            return (get_origin(kind) or kind)(**{name: each for name, each in given if each is not _ABSENT})

        stand_in = _stand_in(type_name(kind), accept)
        setattr(stand_in, _FIELDS, fields)
        return stand_in, accept

    return _once(kind, aliases, build)


def _is_whole(fields: list[Field]) -> bool:
    return all(field.taken and field.kept for field in fields)


def _is_decodable(kind: Any) -> bool:
    try:
        json_decoder(kind, decode_hook)
    except (TypeError, ValueError, RecursionError, NameError):
        return False
    return True


def _parameter(kind: Any, field: Field) -> str:
    """What the class calls the parameter of a field: attrs leaves the underscores of a private one out."""
    for attribute in getattr(get_origin(kind) or kind, "__attrs_attrs__", ()):
        if attribute.name == field.name:
            return str(attribute.alias)
    return field.name


def _once(kind: Any, aliases: dict[Any, Any], build: Callable[[], tuple[Any, Callable[[Any], Any]]]) -> Any:
    """Rewrite a type that may name itself: below itself it is a stand-in, which learns in the end what to accept."""
    if kind in aliases:
        if aliases[kind] is None:
            aliases[kind] = _stand_in(type_name(kind), _unset)
        return aliases[kind]
    aliases[kind] = None
    built, accept = build()
    stand_in = aliases.pop(kind)
    if stand_in is not None:
        setattr(stand_in, _ACCEPT, accept)
    return built


def _union(members: list[Any]) -> Any:
    if any(member is Any for member in members):
        return Any
    joined = typing.Union[tuple(members)]  # noqa: UP007 - built at run time
    try:
        json_decoder(joined, decode_hook)
    except TypeError:
        return _choice(members)
    return joined


def _choice(members: list[Any]) -> Any:
    """A stand-in that tries each member; among records, the one that knows most of the keys first."""
    ordered = sorted(members, key=_rank)
    records = {id(member): frozenset(f.key for f in fields) for member in ordered if (fields := _record_fields(member))}

    def accept(value: Any) -> Any:
        candidates = ordered
        if kind_of(value) is dict:
            keys = frozenset[Any](value)
            candidates = sorted(ordered, key=lambda member: len(keys - records.get(id(member), keys)))
        for member in candidates:
            try:
                return _nested(value, member)
            except ValueError:
                continue
        message = f"fits none of {', '.join(type_name(member) for member in members)}"
        raise ValueError(message)

    return _stand_in("Choice", accept)


def _record_fields(member: Any) -> Any:
    return getattr(member, _FIELDS, None) or fields_of(strip(member))


def _rank(member: Any) -> int:
    """Most particular first: text that reads as a date is one; plain text comes last, paths and bytes just before."""
    bare = strip(member)
    if bare is None or bare is type(None) or get_origin(bare) is Literal or is_enum(bare) or bare in _PARTICULAR:
        return 0
    if bare in {int, bool}:
        return 1
    if bare is str:
        return 3
    if bare in {bytes, bytearray, memoryview}:
        return 4
    return 5 if isinstance(bare, type) and (issubclass(bare, str) or is_path(bare)) else 2


def _one_of(kind: Any, values: Any, members: list[Any] | None = None) -> Any:
    """A stand-in that takes exactly one of some values: `true` is not `1` here."""
    choices = list(zip(values, members or values, strict=True))

    def accept(value: Any) -> Any:
        for choice, member in choices:
            if choice == value and (type(choice) is bool) == (type(value) is bool):
                return member
        message = f"must be one of {', '.join(repr(choice) for choice, _ in choices)}"
        raise ValueError(message)

    return _stand_in(type_name(kind), accept)


class _StandIn(type):
    """The class of stand-ins: the decoder asks whether what the hook built is an instance, and the hook knows best."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True


def _stand_in(name: str, accept: Callable[[Any], Any]) -> Any:
    return _StandIn(name, (), {_ACCEPT: staticmethod(accept)})


def _nested(value: Any, kind: Any) -> Any:
    try:
        return convert(value, kind, decode_hook)
    except Malformed as error:
        cause = error.__cause__
        raise ValueError(str(cause)) from (cause.__cause__ if cause else None)


def _unset(_value: Any) -> Any:
    message = "the alias is not complete yet"
    raise ValueError(message)


def _uniform(values: list[Any]) -> bool:
    return all(type(value) is int for value in values) or all(type(value) is str for value in values)
