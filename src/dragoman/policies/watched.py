"""A stream that tells how it ended: read to its end, broken off by a fault, or closed by whoever read it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from dragoman.core.fault import Cancelled, Fault

if TYPE_CHECKING:
    from dragoman.core.call import Stream

Ended: TypeAlias = Callable[[Fault | None], object]


class WatchedStream:
    """The items of another stream, as they come; `ended` is told once: None at the end, else what broke it off."""

    def __init__(self, items: Stream, ended: Ended) -> None:
        self._items = items
        self._iterator = aiter(items)
        self._ended: Ended | None = ended
        batch: Callable[[], Awaitable[list[bytes]]] | None = getattr(items, "batch", None)
        self._batch = batch
        self.batch = None if batch is None else self._take
        """As many items at a time as are there, where the stream behind this one can give them so."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._iterator)
        except StopAsyncIteration:
            self._end(None)
            raise
        except Exception as error:
            self._end(_fault_of(error))
            raise

    async def _take(self) -> list[bytes]:
        assert self._batch is not None, "only offered where it is there"
        try:
            items = await self._batch()
        except Exception as error:
            self._end(_fault_of(error))
            raise
        if not items:
            self._end(None)
        return items

    async def aclose(self) -> None:
        """Close the stream behind this one."""
        try:
            await self._items.aclose()
        finally:
            self._end(Cancelled("whoever read the stream wants no more of it"))

    def _end(self, fault: Fault | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(fault)


def _fault_of(error: Exception) -> Fault:
    return error if isinstance(error, Fault) else Fault.unknown(f"{type(error).__name__}: {error}")
