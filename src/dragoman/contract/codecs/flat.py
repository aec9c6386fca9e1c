"""A quick yes for bodies that are flat: an object of scalars, and of arrays of them, with every property given.

Most functions take such objects. Whether a body is one is told by one typed decoding and one count, in a fifth of the
time that it takes to read it into values and to hold those against their schema. It never says no: whatever is not told
here (a property left out, one too many, given twice, of another type) is for whoever checks in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias

import msgspec

from dragoman.contract.nesting import kind_of
from dragoman.core.call import Codec

Sieve: TypeAlias = Callable[[bytes], bool]

NO_SIEVES: tuple[Sieve | None, ...] = (None,) * len(Codec)
PROPERTIES_MAX = 15
"""What MessagePack counts in the first byte of a map; flat inputs have fewer."""
ARRAYS_MAX = 4
"""Arrays in arrays: what is deeper is no table of numbers any more."""
_WORDS = frozenset({"title", "description", "default", "examples", "deprecated", "$comment"})
"""What says nothing about which values are valid."""
_OBJECT_WORDS = _WORDS | {"type", "properties", "required", "additionalProperties", "$schema", "$defs", "definitions"}
# Larger integers are left to the check in full, which has its own view of them.
_INTEGER = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_SCALARS: Mapping[str, Any] = {"number": float, "integer": _INTEGER, "string": str, "boolean": bool, "null": None}
_NONFINITE = re.compile(rb"[\xca\xcb][\x7f\xff][\x80-\xff]")
"""What a NaN or an infinity looks like in MessagePack; other bytes may look so too."""


def sieves(schema: Mapping[str, Any]) -> tuple[Sieve | None, ...]:
    """By the number of a codec, what says yes to bodies that keep to `schema` and give all of its properties.

    Nothing but `None` for a schema that asks for more than types. The schema must be a valid one.
    """
    kind = _flat(schema)
    if kind is None:
        return NO_SIEVES
    count = len(schema["properties"])
    from_json = msgspec.json.Decoder(kind, strict=True).decode
    from_msgpack = msgspec.msgpack.Decoder(kind, strict=True).decode
    first = bytes((0x80 | count,))

    # So many pairs, and each property among them: nothing else is there, and nothing is there twice.
    def json_fits(body: bytes) -> bool:
        if body.count(b":") != count:
            return False
        try:
            from_json(body)
        except (ValueError, RecursionError):
            return False
        return True

    def msgpack_fits(body: bytes) -> bool:
        if body[:1] != first or _NONFINITE.search(body) is not None:
            return False
        try:
            from_msgpack(body)
        except (ValueError, RecursionError):
            return False
        return True

    known = {Codec.JSON: json_fits, Codec.MSGPACK: msgpack_fits}
    return tuple(map(known.get, Codec))


def _flat(schema: Mapping[str, Any]) -> Any:
    """The type of a flat object; `None` where the schema asks for more."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    if schema.get("type") != "object" or not schema.keys() <= _OBJECT_WORDS:
        return None
    if not 0 < len(properties) <= PROPERTIES_MAX or not properties.keys() >= set(schema.get("required", ())):
        return None
    kinds = [_kind(each, ARRAYS_MAX) for each in properties.values()]
    if any(kind is ... for kind in kinds) or not all(map(str.isidentifier, properties)):
        return None
    fields = [(f"field_{place}", kind) for place, kind in enumerate(kinds)]
    names = {f"field_{place}": name for place, name in enumerate(properties)}
    return msgspec.defstruct("Flat", fields, rename=names, forbid_unknown_fields=True, gc=False)


def _kind(schema: Any, arrays: int) -> Any:
    """The type of a property; `...` where there is none that says the same."""
    if kind_of(schema) is not dict:
        return ...
    given: dict[str, Any] = schema
    named = given.get("type")
    if named == "array" and arrays and given.keys() <= _WORDS | {"type", "items"}:
        items = _kind(given.get("items"), arrays - 1)
        return ... if items is ... else list[items]
    names: Any = named if kind_of(named) is list else [named]
    if not given.keys() <= _WORDS | {"type"} or not names or not _SCALARS.keys() >= set(names):
        return ...
    kind = _SCALARS[names[0]]
    for name in names[1:]:
        kind |= _SCALARS[name]
    return kind
