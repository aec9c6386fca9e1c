"""The items of a streamed reply, taken in batches, or gathered into one body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Fault, OutOfRange, Started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dragoman.core.call import Stream

GATHERED_BYTES_MAX = 16 * 1024 * 1024
"""A stream gathered for a caller that wants one value may be this large, as a body from outside may."""


async def batches(stream: Stream) -> AsyncIterator[list[bytes]]:
    """The items of a stream in lists of what is there at the time."""
    batch = getattr(stream, "batch", None)
    if batch is None:
        async for item in stream:
            yield [item]
        return
    while items := await batch():
        yield items


async def close_stream(stream: Stream, fault: Fault | None = None) -> Fault | None:
    """Close a stream that broke off by `fault`, or by none; what is to be told of it. Never raises.

    A function's own clean-up may fail as it is closed: that is told where nothing went wrong before.
    """
    try:
        await stream.aclose()
    except Fault as late:
        return fault or late
    except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, who read the stream must end too
        return fault or Fault.internal(f"the host failed to close the stream: {error!r}")
    return fault


async def gather(reply: Reply, codec: Codec) -> Reply:
    """All items of a streamed reply as one array. Raises `OutOfRange` past the bound, and the stream's own fault."""
    stream = reply.items
    assert stream is not None
    if reply.codec in (Codec.JSON, Codec.MSGPACK):
        # A command's items are JSON whatever was asked for, and an array is of one kind.
        codec = reply.codec
    items: list[bytes] = []
    size = 0
    try:
        async for item in stream:
            items.append(item)
            size += len(item)
            if size > GATHERED_BYTES_MAX:
                detail = f"the stream is longer than the {GATHERED_BYTES_MAX} bytes that one reply may have"
                raise OutOfRange(detail, started=Started.YES)
    finally:
        await stream.aclose()
    if codec is Codec.BYTES:
        body = b"".join(items)
    elif codec is Codec.MSGPACK:
        body = b"\xdd" + len(items).to_bytes(4, "big") + b"".join(items)
    else:
        body = b"[" + b",".join(items) + b"]"
    return Reply(body, codec, None, reply.queue_s, reply.run_s)
