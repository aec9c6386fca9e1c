"""The input stream of a call in flight: items out to its worker, as fast as that takes them and no faster.

An item is asked for only when the worker has credit for it: what a slow function does not take stays with its caller.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import Fault, InvalidArgument, Started
from dragoman.wire.fault import Oversized
from dragoman.wire.state import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dragoman.core.call import Codec, Input
    from dragoman.wire.connection import Connection
    from dragoman.workers.channel import Channel
    from dragoman.workers.exchange import Exchange
    from dragoman.workers.segments import Segments


class Fed(Protocol):
    """The worker that a call is in."""

    connection: Connection
    channel: Channel
    segments: Segments

    def give_up(self, exchange: Exchange, fault: Fault, /) -> None:
        """Answer with a fault now, and have the call stopped."""
        ...


class Feeder:
    """Sends the input of one call. `touched` says that some of it has been taken and cannot be sent anew."""

    def __init__(self, worker: Fed, exchange: Exchange, items: Input, loop: asyncio.AbstractEventLoop) -> None:
        self.touched = False
        self._worker = worker
        self._exchange = exchange
        self._call = exchange.call.id
        self._items = items
        self._credit: asyncio.Future[None] | None = None
        self._task = loop.create_task(self._run())

    def ring(self) -> None:
        """Credit has come."""
        if self._credit is not None and not self._credit.done():
            self._credit.set_result(None)

    def stop(self) -> None:
        """The call is over: send no more."""
        self._task.cancel()

    async def _run(self) -> None:
        name = self._exchange.call.target.name
        try:
            await self._feed()
        except IllegalTransition:
            pass  # the call, or the worker, has just ended
        except Fault as fault:
            self._fail(fault)
        except Oversized as error:
            self._fail(InvalidArgument(f"an item of the input of {name} is too large to send: {error}"))
        except Exception as error:  # noqa: BLE001 - whoever makes the items may fail as it likes
            self._fail(Fault.internal(f"the input of {name} broke off: {type(error).__name__}: {error}"))

    async def _feed(self) -> None:
        iterator = aiter(self._items)
        try:
            await self._send_all(iterator)
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    async def _send_all(self, iterator: AsyncIterator[tuple[Codec, bytes]]) -> None:
        connection, channel, call = self._worker.connection, self._worker.channel, self._call
        while True:
            while connection.credit_of(call) <= 0:
                self._credit = asyncio.get_running_loop().create_future()
                await self._credit
            self.touched = True
            item = await anext(iterator, None)
            if item is None:
                channel.send(connection.finish(call))
                return
            codec, body = item
            channel.send(*self._worker.segments.item(connection, call, codec, body))

    def _fail(self, fault: Fault) -> None:
        fault.started = Started.UNKNOWN
        fault.function = fault.function or self._exchange.call.target.name
        self._worker.give_up(self._exchange, fault)
