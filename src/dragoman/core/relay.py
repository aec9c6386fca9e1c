"""A streamed reply on its way to whoever asked over the wire: items go as they come, as fast as the reader grants."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import Cancelled, Fault, ResourceExhausted, Started
from dragoman.core.items import batches, close_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Reply


class Wire(Protocol):
    """The connection, as far as a stream over it needs to know."""

    def credit_of(self, call: int, /) -> int:
        """Bytes that the reader of a call's stream still takes."""
        ...


class Reader(Protocol):
    """Whoever reads, as far as a stream to it needs to know."""

    @property
    def connection(self) -> Wire:
        """The connection to it."""
        ...

    @property
    def writable(self) -> bool:
        """Whether it reads as fast as is written to it."""
        ...

    def item(self, call: int, codec: int, body: bytes, /) -> tuple[bytes, bytes | memoryview]:
        """An item as parts of a frame, to be sent next. Raises `ValueError` where it cannot travel."""
        ...

    def send(self, *parts: bytes | memoryview) -> None:
        """Send parts of frames, in order."""
        ...


class Relay:
    """Sends one reply's items."""

    def __init__(self, reader: Reader, call_id: int, reply: Reply, done: Callable[[Fault | None, int], None]) -> None:
        """`done(fault, codec)` is told once that the items are over, and why where they broke off."""
        self._reader = reader
        self._id = call_id
        self._reply = reply
        self._done = done
        self._task: asyncio.Task[None] | None = None
        self._entered = self._unwanted = False
        self._waiter: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def cancel(self) -> None:
        """Nobody wants the rest."""
        self._unwanted = True
        # A task that is cancelled before its first step never takes one, and then nobody would end the stream.
        if self._task is not None and self._entered:
            self._task.cancel()

    def wake(self) -> None:
        """Look again whether there is credit."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _run(self) -> None:
        stream = self._reply.items
        assert stream is not None, "a streamed reply has items"
        fault: Fault | None = None
        self._entered = True
        try:
            if self._unwanted:
                raise asyncio.CancelledError  # noqa: TRY301 - the same end as any time later
            async for batch in batches(stream):
                await self._send(batch)
        except ValueError as error:
            fault = ResourceExhausted(f"an item cannot travel: {error}", started=Started.YES)
        except Fault as raised:
            fault = raised
        except asyncio.CancelledError:
            fault = Cancelled("the caller wants no more of the stream", started=Started.YES)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, the call must be answered
            fault = Fault.internal(f"the host failed to pass the stream on: {error!r}")
        fault = await close_stream(stream, fault)
        self._done(fault, self._reply.codec)

    async def _send(self, batch: list[bytes]) -> None:
        """Send items, as many at a time as the reader has granted."""
        reader, call_id, codec = self._reader, self._id, self._reply.codec
        connection = reader.connection
        parts: list[bytes | memoryview] = []
        for item in batch:
            while connection.credit_of(call_id) <= 0 or not reader.writable:
                if parts:
                    reader.send(*parts)
                    parts.clear()
                    continue  # it may have become unwritable by that, or else have been granted more
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            parts += reader.item(call_id, codec, item)
        reader.send(*parts)
