"""The items of a streamed reply, on the host's side: a bounded buffer between the wire and whoever reads.

The bound is the credit that the worker was given: it may send no more than that before items are taken out here, and
taking them out is what grants more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dragoman.core.fault import Fault


class ReplyStream:
    """An async iterator over encoded items. Raises the call's `Fault` at the place where the function failed."""

    def __init__(self, grant: Callable[[int], None], cancel: Callable[[], None]) -> None:
        """`grant(n)` says that n more bytes were taken, so that the worker may send others; `cancel()` stops the call."""
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
            self._wake()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._items:
            if self.ended:
                if self._fault is not None:
                    raise self._fault
                raise StopAsyncIteration
            await self._more()
        item = self._items.popleft()
        self._took(len(item))
        return item

    async def batch(self) -> list[bytes]:
        """All items that are here now, at least one; an empty list at the end. Raises the call's `Fault`."""
        while not self._items:
            if self.ended:
                if self._fault is not None:
                    raise self._fault
                return []
            await self._more()
        items = list(self._items)
        self._items.clear()
        self._took(sum(map(len, items)))
        return items

    async def aclose(self) -> None:
        """Stop reading: cancels the call unless it has ended, and lets go of what is buffered."""
        self._closed = True
        self._items.clear()
        if not self.ended:
            self._cancel()

    async def _more(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _took(self, count: int) -> None:
        if not self.ended:
            self._grant(count)
