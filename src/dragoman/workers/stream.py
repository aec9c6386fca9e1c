"""The items of a streamed reply, on the host's side: a bounded buffer between the wire and whoever reads.

The bound is the credit that the worker was given: it may send no more than that before items are taken out here, and
taking them out is what grants more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from dragoman.wire.frame import HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dragoman.core.fault import Fault


def _let_pass(_: int) -> None: ...


def _nothing() -> None: ...


class ReplyStream:
    """An async iterator over encoded items. Raises the call's `Fault` at the place where the function failed."""

    def __init__(self, grant: Callable[[int], None], cancel: Callable[[], None]) -> None:
        """`grant(n)`: n more bytes were taken, the worker may send as many others; `cancel()` stops the call."""
        self._items: deque[bytes] = deque()
        self._grant = grant
        self._cancel = cancel
        self._fault: Fault | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.ended = False
        self._closed = False

    def push(self, item: bytes) -> None:
        """Take an item off the wire."""
        if not self._closed:
            self._items.append(item)
            self._wake()

    def end(self, fault: Fault | None = None) -> None:
        """Take the end off the wire: of a stream that is complete, or that failed."""
        if not self.ended:
            self.ended = True
            self._fault = fault
            # They lead back to the call: without them nothing of it outlives its last reader.
            self._grant, self._cancel = _let_pass, _nothing
            self._wake()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._items and not await self._more():
            raise StopAsyncIteration
        item = self._items.popleft()
        self._took(len(item))
        return item

    async def batch(self) -> list[bytes]:
        """All items that are here now, at least one; an empty list at the end. Raises the call's `Fault`."""
        if not self._items and not await self._more():
            return []
        items = list(self._items)
        self._items.clear()
        # The wire counts a header with each item, and adds one to what is taken at once.
        self._took(sum(map(len, items)) + (len(items) - 1) * HEADER_BYTES)
        return items

    async def aclose(self) -> None:
        """Stop reading: cancels the call unless it has ended, and lets go of what is buffered."""
        self._closed = True
        self._items.clear()
        self._wake()
        self._cancel()

    async def _more(self) -> bool:
        """Wait for items; false at the end. Raises the call's `Fault`."""
        while not self._items:
            if self._closed:
                return False
            if self.ended:
                if self._fault is not None:
                    raise self._fault
                return False
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return True

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _took(self, count: int) -> None:
        self._grant(count)
