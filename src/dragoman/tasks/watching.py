"""Who waits for a change of a task, and is woken by what the store hears."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dragoman.tasks.task import Change

LOOK_AGAIN_S = 10.0
"""Who waits looks anew this often all the same: word from another host may be lost with a connection."""


class Watching:
    """Passes on what a store hears: to those who wait for one task, and to `listeners`, who hear it all."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Sequence[Change]], object]] = []
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def heard(self, changes: Sequence[Change]) -> None:
        """Take changes from the store."""
        if self._waiting:
            for change in changes:
                wake(self._waiting.pop(change.id, ()))
        for tell in self.listeners:
            tell(changes)

    def next(self, id: str) -> Watch:  # noqa: A002 - the field's public name
        """A watch over a task, which sees what changes from now on: make it before the task is looked at."""
        return Watch(self._waiting, id)


def wake(waiters: Iterable[asyncio.Future[None]]) -> None:
    """Have them go on."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


class Watch:
    """One wait for the next change of a task. Close it."""

    def __init__(self, waiting: dict[str, list[asyncio.Future[None]]], id: str) -> None:  # noqa: A002 - as above
        self._waiting = waiting
        self._id = id
        self._waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.setdefault(id, []).append(self._waiter)

    async def changed(self, timeout_s: float) -> bool:
        """Wait for a change, for so many seconds at most; whether there was one."""
        await asyncio.wait((self._waiter,), timeout=timeout_s)
        return self._waiter.done()

    def close(self) -> None:
        """Wait no more."""
        self._waiter.cancel()
        waiters = self._waiting.get(self._id)
        if waiters is not None and self._waiter in waiters:
            waiters.remove(self._waiter)
            if not waiters:
                del self._waiting[self._id]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
