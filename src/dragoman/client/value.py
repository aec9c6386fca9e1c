"""Values to bodies and back, as Python callers give and get them.

MessagePack travels, since it takes bytes as they are; JSON where an integer is larger than MessagePack holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dragoman.contract import codec
from dragoman.contract.codecs import msgpack
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Codec
from dragoman.core.fault import DataLoss, InvalidArgument, OutOfRange, Started

if TYPE_CHECKING:
    from dragoman.core.call import Reply
    from dragoman.core.target import Target

MSGPACK = Codec.MSGPACK
GATHERED_BYTES_MAX = 256 * 1024 * 1024
"""A stream that is asked for as one list ends here; iterate over it instead."""


def encode_input(value: Any, *, alone: bool = False) -> tuple[bytes, Codec]:
    """The body for an input, `None` for none; or `alone` for a single value of it.

    Raises `InvalidArgument` where it cannot travel.
    """
    try:
        return msgpack.encode({} if value is None and not alone else value), MSGPACK
    except ValueError:
        pass
    try:
        return codec.encode(value, Codec.JSON), Codec.JSON
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidArgument(f"the input cannot be sent: {error}") from None


def encode_for(target: Target, value: Any) -> tuple[bytes, Codec, Codec]:
    """The body for an input of a known function, its codec, and the codec to ask the reply in.

    Bytes alone travel as they are, both ways: each copy of a megabyte that is saved is 0.1 ms.
    """
    wanted = Codec.BYTES if target.raw_output else None
    if target.raw_input:
        alone: object = value
        if isinstance(value, dict) and len(given := cast("dict[str, object]", value)) == 1:
            alone = given.get(target.raw_parameter)
        if isinstance(alone, bytes):
            return alone, Codec.BYTES, wanted or MSGPACK
    body, codec = encode_input(value)
    return body, codec, wanted or codec


def decode_reply(reply: Reply, item: bytes | None = None) -> Any:
    """The value of a reply, or of one item of its stream. Raises `DataLoss` where it cannot be read."""
    body = reply.body if item is None else item
    try:
        if reply.codec is MSGPACK:
            return msgpack.decode(body)
        if reply.codec is Codec.BYTES:
            return body if type(body) is bytes else bytes(body)  # a large one lies in memory that its worker wants back
        return codec.decode(body, reply.codec)
    except Malformed as error:
        what = "the reply" if item is None else "an item of the stream"
        raise DataLoss(f"{what} cannot be read: {error}", started=Started.YES) from None


async def gathered(reply: Reply) -> list[Any]:
    """All items of a streamed reply. Raises its fault, or `OutOfRange` past the bound."""
    assert reply.items is not None
    values: list[Any] = []
    size = 0
    try:
        async for item in reply.items:
            size += len(item)
            if size > GATHERED_BYTES_MAX:
                raise OutOfRange("the stream is too long for one list; iterate over it", started=Started.YES)
            values.append(decode_reply(reply, item))
    finally:
        await reply.items.aclose()
    return values
