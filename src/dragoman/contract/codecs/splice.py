"""Inputs of a function that takes a list, made one, and the list that it gives, cut again, with no item decoded.

Items stay the bytes that they came as, so nothing about them can change on the way: numbers keep all their digits,
dates and extension types are left to whoever decodes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

import msgspec

from dragoman.core.call import Codec

DECODING_ERRORS = (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeDecodeError)

_json_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_json_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_json = msgspec.json.Encoder().encode
_msgpack_keys = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_msgpack_items = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_msgpack = msgspec.msgpack.Encoder().encode

_LEAST_OF_16, _LEAST_OF_32 = 16, 1 << 16
_SHORT_MAP, _SHORT_ARRAY = range(0x80, 0x90), range(0x90, 0xA0)
_MAPS = (0xDE, 0xDF)
_SIZED: Mapping[int, int] = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
"""Bytes of the size that follows the first byte of a longer MessagePack array or map."""


class Part(NamedTuple):
    """One input, taken apart: how many items its list has, those without what surrounds them, and everything else.

    Inputs with the same `rest` differ in their items only.
    """

    size: int
    items: bytes
    rest: bytes


class Splicer(Protocol):
    """Takes inputs of one codec apart at one property, and puts them together as one."""

    def take(self, body: bytes) -> Part | None:
        """Take an input apart; `None` where that cannot be told to be safe: it is to go as it is."""
        ...

    def put(self, parts: Iterable[Part]) -> bytes:
        """The one input that has all items, in order. The parts have the same `rest`."""
        ...


class JsonSplicer:
    """JSON objects."""

    def __init__(self, name: str) -> None:
        """`name` is the property that is the list."""
        self._name = name
        self._head = b"{" + _json(name) + b":["

    def take(self, body: bytes) -> Part | None:
        """Take an input apart; `None` for what is no such object, or gives a key twice."""
        try:
            members = _json_keys(body)
            array = bytes(members.pop(self._name))
            count = len(_json_items(array))
        except (KeyError, *DECODING_ERRORS):
            return None
        rest = b""
        # As many colons as keys, past those inside of keys and values: none was given twice.
        colons = body.count(b":") - array.count(b":") - self._name.count(":") - 1
        for key in sorted(members):
            value = bytes(members[key])
            colons -= value.count(b":") + key.count(":") + 1
            rest += b"," + _json(key) + b":" + value
        return None if colons else Part(count, array[1:-1], rest)

    def put(self, parts: Iterable[Part]) -> bytes:
        """The one input that has all items."""
        given = list(parts)
        return self._head + b",".join([part.items for part in given]) + b"]" + given[0].rest + b"}"


class MsgpackSplicer:
    """MessagePack maps."""

    def __init__(self, name: str) -> None:
        """`name` is the property that is the list."""
        self._name = name
        self._key = _msgpack(name)

    def take(self, body: bytes) -> Part | None:
        """Take an input apart; `None` for what is no such map, or gives a key twice."""
        try:
            members = _msgpack_keys(body)
            pairs = len(members)
            array = bytes(members.pop(self._name))
            count, begin = _opened(array, _SHORT_ARRAY)
            if _opened(body, _SHORT_MAP)[0] != pairs or len(_msgpack_items(array)) != count:
                return None
        except (KeyError, *DECODING_ERRORS):
            return None
        rest = b"".join([_msgpack(key) + bytes(members[key]) for key in sorted(members)])
        return Part(count, array[begin:], _map_of(pairs) + rest)

    def put(self, parts: Iterable[Part]) -> bytes:
        """The one input that has all items."""
        given = list(parts)
        rest = given[0].rest
        _, begin = _opened(rest, _SHORT_MAP)
        array = array_of(sum(part.size for part in given), b"".join([part.items for part in given]))
        return rest[:begin] + self._key + array + rest[begin:]


class Torn(Exception):  # noqa: N818 - names the condition, as all of our errors do
    """A result that cannot be cut; the message says what it is."""


class Result:
    """What a function gave for all items at once, to be cut; `faults` are documents, by the index of the item."""

    def __init__(self, body: bytes | memoryview, codec: Codec) -> None:
        """The body is an encoded list, or, where items failed, an object of `items` and `faults`. Raises `Torn`."""
        read, self._join = _CUTTING[codec]
        self.faults: dict[int, dict[str, Any]] = {}
        try:
            if body[:1] == b"{" or (codec is Codec.MSGPACK and body and (body[0] in _SHORT_MAP or body[0] in _MAPS)):
                parted = _PARTED[codec](body)
                self._items = parted.items
                self.faults = {int(index): fault for index, fault in parted.faults.items()}
            else:
                self._items = read(body)
        except (ValueError, *DECODING_ERRORS):
            raise Torn("something that is no list") from None

    def __len__(self) -> int:
        return len(self._items)

    def cut(self, start: int, stop: int) -> bytes:
        """The encoded list of some of the items."""
        return self._join(self._items[start:stop])


class _Parted(msgspec.Struct):
    items: list[msgspec.Raw]
    faults: dict[str, dict[str, Any]]


def array_of(count: int, items: bytes) -> bytes:
    """A MessagePack array of so many items, which are encoded and one after the other."""
    if count < _LEAST_OF_16:
        return bytes((_SHORT_ARRAY[count],)) + items
    size = 2 if count < _LEAST_OF_32 else 4
    return bytes((0xDC if size == 2 else 0xDD,)) + count.to_bytes(size) + items  # noqa: PLR2004 - as above


def _map_of(pairs: int) -> bytes:
    if pairs < _LEAST_OF_16:
        return bytes((_SHORT_MAP[pairs],))
    size = 2 if pairs < _LEAST_OF_32 else 4
    return bytes((0xDE if size == 2 else 0xDF,)) + pairs.to_bytes(size)  # noqa: PLR2004 - as above


def _opened(body: bytes, short: range) -> tuple[int, int]:
    """How many members an encoded array or map has, and where the first begins."""
    first = body[0]
    if first in short:
        return first - short[0], 1
    size = _SIZED.get(first, 0)
    return int.from_bytes(body[1 : 1 + size]), 1 + size


def _joined_json(items: list[msgspec.Raw]) -> bytes:
    return b"[" + b",".join(cast("list[bytes]", items)) + b"]"


def _joined_msgpack(items: list[msgspec.Raw]) -> bytes:
    return array_of(len(items), b"".join(cast("list[bytes]", items)))


_Reader: TypeAlias = Callable[[bytes | memoryview], list[msgspec.Raw]]
_Joiner: TypeAlias = Callable[[list[msgspec.Raw]], bytes]
_CUTTING: Mapping[Codec, tuple[_Reader, _Joiner]] = {
    Codec.JSON: (_json_items, _joined_json),
    Codec.MSGPACK: (_msgpack_items, _joined_msgpack),
}
_PARTED: Mapping[Codec, Callable[[bytes | memoryview], _Parted]] = {
    Codec.JSON: msgspec.json.Decoder(_Parted).decode,
    Codec.MSGPACK: msgspec.msgpack.Decoder(_Parted).decode,
}
SPLICERS: Mapping[Codec, Callable[[str], Splicer]] = {Codec.JSON: JsonSplicer, Codec.MSGPACK: MsgpackSplicer}
"""What takes inputs of a codec apart, made for the name of the property that is the list."""
