"""Keeping house: what is old is forgotten, and what was counted is added up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres.locks import lock_of
from dragoman.tasks.stores.postgres.statements import statement
from dragoman.tasks.task import US, Keeping

if TYPE_CHECKING:
    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool

EVER = 2**63 - 1
ADD_UP_EVERY = 1000
"""Batches of changes of this host after which it adds up what was counted: a census reads some thousand rows then."""


class Housekeeping:
    """Keeps one server tidy."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._batches = 0
        self._adding: asyncio.Task[None] | None = None

    def counted(self) -> None:
        """Take note that something was counted; add it all up in the background every so often."""
        self._batches += 1
        if self._batches >= ADD_UP_EVERY and self._adding is None:
            self._batches = 0
            self._adding = asyncio.get_running_loop().create_task(self._tidy())
            self._adding.add_done_callback(self._tidied)

    async def prune(self, keeping: Keeping, now: int, limit: int) -> int:
        """Forget tasks that ended too long ago, or are too many; how many."""
        gone = 0
        if keeping.age_s > 0:
            gone = await self._prune(now - int(keeping.age_s * US), 0, limit)
        if keeping.count > 0 and gone < limit:
            gone += await self._prune(EVER, keeping.count, limit - gone)
        await self._add_up()
        await self._pool.run(lambda wire: wire.execute(statement("unflow")), writes=True)
        return gone

    async def close(self) -> None:
        """Let go."""
        if self._adding is not None:
            await asyncio.wait((self._adding,))

    async def _prune(self, before: int, count: int, limit: int) -> int:
        if limit <= 0:
            return 0
        return await self._pool.run(lambda wire: wire.fetchval(statement("prune"), before, count, limit), writes=True)

    async def _add_up(self) -> None:
        high, low = lock_of(self._pool.options.schema, "add up")

        async def work(wire: Wire) -> str:
            return await wire.execute(statement("add_up"), high, low)

        await self._pool.run(work, writes=True)

    async def _tidy(self) -> None:
        try:
            await self._add_up()
        except StoreFailed:
            self._batches = 0  # it is tried again after as many more

    def _tidied(self, task: asyncio.Task[None]) -> None:
        self._adding = None
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler({"message": "adding up tasks", "exception": error})
