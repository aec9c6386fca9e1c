"""A streamed reply that holds something until it ends: a place, a permit, a count."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dragoman.core.call import Stream


class HeldStream:
    """A stream that lets go of what it holds when it ends: complete, with a fault, or closed by its reader."""

    def __init__(self, items: Stream, let_go: Callable[[], object]) -> None:
        """`let_go()` is called once."""
        self._items = items
        self._iterator = aiter(items)
        self._batch = getattr(items, "batch", None)
        self._let_go = let_go
        self._held = True

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._iterator)
        except BaseException:
            self._end()
            raise

    async def batch(self) -> list[bytes]:
        """All items that are here now, at least one; an empty list at the end. Raises the call's `Fault`."""
        if self._batch is None:
            try:
                return [await anext(self)]
            except StopAsyncIteration:
                return []
        try:
            items: list[bytes] = await self._batch()
        except BaseException:
            self._end()
            raise
        if not items:
            self._end()
        return items

    async def aclose(self) -> None:
        """Close the stream behind this one."""
        try:
            await self._items.aclose()
        finally:
            self._end()

    def _end(self) -> None:
        if self._held:
            self._held = False
            self._let_go()
