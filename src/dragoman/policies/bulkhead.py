"""A bound on calls in flight, for services without a pool to bound them: some run, some wait, the rest is refused."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.core.call import Reply
from dragoman.core.fault import Overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dragoman.core.call import Call, Stream
    from dragoman.core.service import Layer, Service

RETRY_S = 1.0
"""When a caller that was refused may try again."""


@dataclass(frozen=True, slots=True)
class BulkheadOptions:
    """How many may be inside.

    So many calls run (0: as many as come) and so many wait. One caller may have at most the share `caller_share` of
    the places, and of those to wait in; 1 leaves callers alone.
    """

    concurrency: int = 0
    queue: int = 1000
    caller_share: float = 1.0


def bulkhead(concurrency: int, queue: int) -> Layer:
    """A layer that lets `concurrency` calls in at a time, has `queue` more wait their turn, and refuses the rest.

    A streamed reply holds its place until the stream ends or is closed.
    """

    def layer(service: Service) -> Service:
        room = Room(concurrency, queue)

        async def bounded(call: Call) -> Reply:
            await room.enter(call.target.name)
            try:
                reply = await service(call)
            except BaseException:
                room.leave()
                raise
            if reply.items is None:
                room.leave()
                return reply
            items = HeldStream(reply.items, room.leave)
            return Reply(reply.body, reply.codec, items, reply.queue_s, reply.run_s)

        return bounded

    return layer


class Room:
    """Places for calls: so many inside, so many waiting, first come first served."""

    def __init__(self, places: int, queue: int) -> None:
        self._free = places
        self._places = places
        self._queue = queue
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, name: str) -> None:
        """Take a place, or wait for one. Raises `Overloaded`."""
        if self._free:
            self._free -= 1
            return
        if len(self._waiting) >= self._queue:
            detail = f"{name} has {self._places} calls in flight and {self._queue} waiting, and takes no more"
            raise Overloaded(detail, function=name, retry_after_s=RETRY_S)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave()  # its turn came as it gave up
            else:
                self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give a place up, to whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class HeldStream:
    """A stream that gives its place up when it ends, however it ends."""

    def __init__(self, items: Stream, leave: Callable[[], None]) -> None:
        self._items = items
        self._iterator = aiter(items)
        self._leave = leave
        self._left = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._iterator)
        except BaseException:
            self._give_up()
            raise

    async def aclose(self) -> None:
        """Close the stream behind this one."""
        try:
            await self._items.aclose()
        finally:
            self._give_up()

    def _give_up(self) -> None:
        if not self._left:
            self._left = True
            self._leave()
