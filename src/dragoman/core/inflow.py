"""The input stream of a call that a guest makes: what it has sent and whoever runs the call has not taken.

The bound is the credit that the guest was given; taking an item out grants more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from dragoman.core.call import Codec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dragoman.core.fault import Fault

_CODECS = tuple(Codec)


class InputStream:
    """An async iterator over encoded items with their codecs. For one reader."""

    def __init__(self, grant: Callable[[int], None]) -> None:
        """`grant(n)`: an item of n bytes was taken, and the sender may send as much again."""
        self._items: deque[tuple[Codec, bytes]] = deque()
        self._grant = grant
        self._ended = False
        self._fault: Fault | None = None
        self._waiter: asyncio.Future[None] | None = None

    def push(self, codec: int, body: bytes) -> None:
        """Take an item."""
        self._items.append((_CODECS[codec], body))
        self._wake()

    def end(self, fault: Fault | None = None) -> None:
        """Take the end: of an input that is complete, or of a caller that will send no more."""
        if not self._ended:
            self._ended, self._fault = True, fault
            self._wake()

    def __aiter__(self) -> AsyncIterator[tuple[Codec, bytes]]:
        return self

    async def __anext__(self) -> tuple[Codec, bytes]:
        while not self._items:
            if self._fault is not None:
                raise self._fault
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        item = self._items.popleft()
        self._grant(len(item[1]))
        return item

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
