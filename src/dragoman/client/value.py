"""Values to bodies and back, as Python callers give and get them.

MessagePack travels, since it takes bytes as they are; JSON where an integer is larger than MessagePack holds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from dragoman.contract import codec
from dragoman.contract.codecs import msgpack
from dragoman.contract.malformed import Malformed
from dragoman.contract.table import has_pyarrow, is_table_value
from dragoman.core.call import Codec
from dragoman.core.draft import whole
from dragoman.core.fault import DataLoss, InvalidArgument, OutOfRange, Started

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import ModuleType

    from dragoman.core.call import Reply
    from dragoman.core.draft import Draft
    from dragoman.core.target import Target

MSGPACK = Codec.MSGPACK
GATHERED_BYTES_MAX = 256 * 1024 * 1024
"""A stream that is asked for as one list ends here; iterate over it instead."""


def encode_input(value: Any, *, alone: bool = False) -> tuple[bytes, Codec]:
    """The body for an input, `None` for none; or `alone` for a single value of it.

    Raises `InvalidArgument` where it cannot travel.
    """
    if alone and is_table_value(value):
        return bytes(whole(draft(value))), Codec.ARROW
    try:
        return msgpack.encode({} if value is None and not alone else value), MSGPACK
    except ValueError:
        pass
    try:
        return codec.encode(value, Codec.JSON), Codec.JSON
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidArgument(f"the input cannot be sent: {error}") from None


def encode_for(target: Target, value: Any) -> tuple[bytes | memoryview | Draft, Codec, Codec]:
    """The body for an input of a known function, its codec, and the codec to ask the reply in.

    Bytes and tables alone travel as they are, both ways: each copy of a megabyte that is saved is 0.1 ms. Raises
    `InvalidArgument` for an input that cannot be sent.
    """
    wanted = Codec.BYTES if target.raw_output else None
    if target.gives_table:
        wanted = Codec.ARROW if has_pyarrow() or tables().kind_given(value) is not None else None
    if target.raw_input:
        alone: object = value
        if isinstance(value, dict) and len(given := cast("dict[str, object]", value)) == 1:
            alone = given.get(target.raw_parameter)
        if isinstance(alone, bytes | bytearray | memoryview):
            return _flat(cast("bytes", alone)), Codec.BYTES, wanted or MSGPACK
        if is_table_value(alone):
            return draft(alone), Codec.ARROW, wanted or MSGPACK
    elif target.tables:
        value = packed(value, target.tables)
    body, codec = encode_input(value)
    return body, codec, wanted or codec


def draft(table: Any) -> bytes | Draft:
    """A table as an Arrow stream. Raises `InvalidArgument` where it cannot be one."""
    try:
        return tables().draft(table)
    except Malformed as error:
        raise InvalidArgument(f"the input cannot be sent: {error}") from None


def packed(value: Any, names: Collection[str] | None = None) -> Any:
    """An input whose tables, those of these names, are Arrow streams as bytes. Raises `InvalidArgument`."""
    if not isinstance(value, dict):
        return value
    given = cast("dict[str, Any]", value)
    return {
        name: bytes(whole(draft(each))) if is_table_value(each) and (names is None or name in names) else each
        for name, each in given.items()
    }


def tables() -> ModuleType:
    """What reads and writes tables; not imported by who has none."""
    return import_module("dragoman.contract.arrow")


def decode_reply(reply: Reply, item: bytes | None = None, given: Any = None) -> Any:
    """The value of a reply, or of one item of its stream; a table is of the kind that was `given`, if one was.

    Raises `DataLoss` where it cannot be read.
    """
    body = reply.body if item is None else item
    try:
        if reply.codec is Codec.ARROW:
            return tables().read_reply(body, given)
        if type(body) is not bytes:
            # A large one lies in memory that its worker wants back, and could change while it is read.
            body = bytes(body)
        if reply.codec is MSGPACK:
            return msgpack.decode(body)
        if reply.codec is Codec.BYTES:
            return body
        return codec.decode(body, reply.codec)
    except Malformed as error:
        what = "the reply" if item is None else "an item of the stream"
        raise DataLoss(f"{what} cannot be read: {error}", started=Started.YES) from None


def _flat(value: bytes | bytearray | memoryview) -> bytes | memoryview:
    """Raw input as it can travel: a view goes without a copy, what can still grow or lies apart does not."""
    if isinstance(value, memoryview) and value.c_contiguous and value.nbytes:
        return value.cast("B")
    return bytes(value)


async def gathered(reply: Reply, given: Any = None) -> list[Any]:
    """All items of a streamed reply. Raises its fault, or `OutOfRange` past the bound."""
    assert reply.items is not None
    values: list[Any] = []
    size = 0
    try:
        async for item in reply.items:
            size += len(item)
            if size > GATHERED_BYTES_MAX:
                raise OutOfRange("the stream is too long for one list; iterate over it", started=Started.YES)
            values.append(decode_reply(reply, item, given))
    finally:
        await reply.items.aclose()
    return values
