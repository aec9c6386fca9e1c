"""Typed decoding: bytes or builtins straight into Python types, checked on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, field
from msgspec.structs import astuple

from dragoman.contract.codecs.msgpack import no_extension
from dragoman.contract.malformed import Malformed
from dragoman.contract.plain import plain
from dragoman.contract.pointer import split_location

__all__ = [
    "DECODING_ERRORS",
    "UNSET",
    "Meta",
    "Struct",
    "arguments",
    "astuple",
    "builtins",
    "convert",
    "field",
    "json_decoder",
    "kept",
    "keys_json",
    "keys_msgpack",
    "msgpack_decoder",
]

T = TypeVar("T")
Hook: TypeAlias = Callable[[Any, Any], Any]

DECODING_ERRORS = (msgspec.MsgspecError, Malformed, UnicodeDecodeError, RecursionError, OverflowError)
"""What a decoder raises about its input; anything else comes from the user's own classes."""

_PLAIN = (bool, int, float, str, bytes, type(None))

keys_json = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""The keys of a JSON object, its values left undecoded."""

keys_msgpack = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
"""The keys of a MessagePack map, its values left undecoded."""


def json_decoder(kind: Any, hook: Hook) -> Callable[[bytes | memoryview], Any]:
    """Build the decoder of JSON bodies of one type. Raises `TypeError` for a type that it cannot decode."""
    return msgspec.json.Decoder(kind, dec_hook=hook).decode


def msgpack_decoder(kind: Any, hook: Hook) -> Callable[[bytes | memoryview], Any]:
    """Build the decoder of MessagePack bodies of one type. Raises `TypeError` for a type that it cannot decode."""
    return msgspec.msgpack.Decoder(kind, dec_hook=hook, ext_hook=no_extension).decode


def arguments(name: str, fields: Sequence[tuple[str, Any, Any]], *, closed: bool = True) -> type[Struct]:
    """Build the record of a function's parameters, each `(name, type, default)` with `UNSET` for no default.

    A `closed` record takes no other keys.

    The attributes are numbered, not named, so that a parameter may be called anything. Defaults are handed over as
    they are, as Python does it: the same object each time.
    """
    members: list[Any] = []
    rename: dict[str, str] = {}
    for position, (parameter, kind, default) in enumerate(fields):
        rename[f"p{position}"] = parameter
        if default is UNSET:
            members.append((f"p{position}", kind))
        elif isinstance(default, _PLAIN):
            members.append((f"p{position}", kind, default))
        else:
            members.append((f"p{position}", kind, field(default_factory=_always(default))))
    return msgspec.defstruct(name, members, rename=rename, forbid_unknown_fields=closed, kw_only=True)


def convert(value: Any, kind: type[T], hook: Hook | None = None) -> T:
    """Turn builtins, as TOML or a codec gives them, into `kind`, strictly.

    Unknown keys are refused where the type is a `Struct` with `forbid_unknown_fields`. Raises `Malformed` with the
    pointer of the first place that does not fit.
    """
    try:
        return msgspec.convert(value, kind, dec_hook=hook, str_keys=True)
    except DECODING_ERRORS as error:
        message, path = split_location(str(error))
        raise Malformed(message, path) from error


def builtins(value: Any) -> Any:
    """Turn a value into what JSON knows: dates, ids and bytes become text, records objects. Raises `Malformed`."""
    try:
        return msgspec.to_builtins(value, enc_hook=plain, str_keys=True)
    except Exception as error:  # hooks run the user's own objects, which may raise anything
        message = f"has no form in JSON: {error}"
        raise Malformed(message) from error


def _always(value: Any) -> Callable[[], Any]:
    return lambda: value


def kept(view: memoryview) -> memoryview:
    """The same bytes as a view, every part of which holds on to the one that was given."""
    return memoryview(msgspec.Raw(view))
