"""What follows a change: all are told of it, and tasks that waited for one that has ended go on.

Who waits is looked for by a statement of its own, after the end is committed: it sees all who came to wait until then,
and those who come later see the end. Where a host dies in between, or has trouble, it is found out later (`sweep`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dragoman.tasks.stores.postgres.lane import Lane, Load
from dragoman.tasks.stores.postgres.rows import changes_of
from dragoman.tasks.stores.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool
    from dragoman.tasks.task import Change

SWEEP_S = 5.0
"""A task whose waking was lost with a host waits so long, about; a look at those that wait costs some milliseconds."""


class Waking:
    """Follows the changes that one host has made."""

    def __init__(self, pool: Pool, tell: Callable[[Sequence[Change]], object]) -> None:
        """`tell` is told of every change."""
        self._pool = pool
        self._tell = tell
        self._swept_at = float("-inf")
        self.lane: Lane[str, None] = Lane(self._wake, _one, waiting_max=10**9)

    async def follow(self, changes: Sequence[Change], awaited: frozenset[str] | None = None) -> None:
        """Tell of changes, and have those that waited for what has ended go on.

        Only for those that are `awaited`, where that is known, is it waited for: others may have come since it was
        looked at, and are seen to as well.
        """
        self._tell(changes)
        woken = [(change.id, self._ask(change.id)) for change in changes if change.state.over]
        if at_once := [answer for id_, answer in woken if awaited is None or id_ in awaited]:
            await asyncio.wait(at_once)

    async def sweep(self) -> None:
        """Wake those whose waking was lost; not more often than makes sense."""
        if (at := asyncio.get_running_loop().time()) - self._swept_at < SWEEP_S:
            return
        self._swept_at = at
        rows = await self._pool.run(lambda wire: wire.fetch(statement("forgotten")))
        if rows:
            await asyncio.wait([self._ask(row[0]) for row in rows])

    def _ask(self, ended: str) -> asyncio.Future[None]:
        answer = self.lane.ask(ended)
        answer.add_done_callback(forget)
        return answer

    async def _wake(self, ended: list[str], size: int) -> list[None]:
        async def work(wire: Wire) -> Sequence[Any]:
            return await wire.fetch(statement("wake"), ended)

        rows = await self._pool.run(work, writes=True, size=size)
        self._tell(changes_of(rows))
        return [None] * len(ended)


def forget(answer: asyncio.Future[None]) -> None:
    """Let an error be: `sweep` makes up for it."""
    if not answer.cancelled():
        answer.exception()


def _one(_: str) -> Load:
    return Load()
