"""Taking things for a runner, so that none is taken for good by a statement whose answer was lost.

What such a statement took would be its runner's, who knows nothing of it, for as long as that lives. So each statement
has a token for what it takes, and one whose answer was lost is looked for by its token before anything else is taken;
until it is found, or the server's process that had it is gone: that may be stopped, and go on long after.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool
RUNNERS_MAX = 16
"""Runners of one host that are looked after: one that gives up its id comes again under another."""


class Doubt(NamedTuple):
    """A statement whose answer was lost: its token, and the process of the server that had it."""

    token: int
    process: int


class Taking:
    """Takes things of one kind for the runners of one host."""

    def __init__(self, pool: Pool, again: str) -> None:
        """`again` is the statement that finds what was taken under some tokens. All rows begin with the token."""
        self._pool = pool
        self._again = again
        self.doubts: dict[str, list[Doubt]] = {}

    async def take(
        self, runner: str, statement_: Callable[[Wire, int], Awaitable[Sequence[Any]]]
    ) -> Sequence[Sequence[Any]]:
        """The rows of what was taken: by this statement, or by an earlier one."""
        if self.doubts.get(runner) and (found := await self._look(runner)):
            return found
        token, process = secrets.randbits(63), 0

        async def work(wire: Wire) -> Sequence[Any]:
            nonlocal process
            process = wire.get_server_pid()
            return await statement_(wire, token)

        try:
            return await self._pool.run(work, writes=True)
        except (StoreFailed, asyncio.CancelledError) as error:
            if process and not (isinstance(error, StoreFailed) and not error.unsure):
                self.doubts.setdefault(runner, []).append(Doubt(token, process))
                while len(self.doubts) > RUNNERS_MAX:
                    del self.doubts[next(iter(self.doubts))]
            raise

    async def _look(self, runner: str) -> list[Sequence[Any]]:
        """What was taken by statements whose answer was lost."""
        doubts = self.doubts[runner]

        async def work(wire: Wire) -> tuple[Sequence[Any], Sequence[Any]]:
            # Who is gone first: what they did is seen by the statement after.
            gone = await wire.fetch(statement("gone"), [doubt.process for doubt in doubts])
            return gone, await wire.fetch(statement(self._again), runner, [doubt.token for doubt in doubts])

        gone, rows = await self._pool.run(work, repeats=True)
        found, ended = {row[0] for row in rows}, {row[0] for row in gone}
        self.doubts[runner] = [doubt for doubt in doubts if doubt.token not in found and doubt.process not in ended]
        return list(rows)
