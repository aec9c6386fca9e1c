"""Who runs tasks: each counts up one row of its own, and others watch whether it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.tasks.stores.postgres.statements import statement
from dragoman.tasks.stores.postgres.text import packed, unpacked
from dragoman.tasks.task import Beat, Pulse, Runner

if TYPE_CHECKING:
    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool


class Runners:
    """The runners of one server."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def enlist(self, runner: Runner) -> None:
        """Know a runner from now on."""
        place = (packed(runner.boot), packed(runner.space), packed(runner.name))

        async def work(wire: Wire) -> Any:
            return await wire.execute(statement("enlist"), runner.id, runner.pid, runner.born_at, *place)

        await self._pool.run(work, writes=True, repeats=True)

    async def pulse(self, runner: str) -> Pulse:
        """Count a runner up."""
        row = await self._pool.run(lambda wire: wire.fetchrow(statement("pulse"), runner), writes=True, repeats=True)
        return Pulse(row[0], tuple(row[1]))

    async def beats(self) -> list[Beat]:
        """The runners that are known."""
        rows = await self._pool.run(lambda wire: wire.fetch(statement("beats")), repeats=True)
        return [
            Beat(Runner(id_, pid, born_at, unpacked(boot), unpacked(space), unpacked(name)), count)
            for id_, pid, born_at, boot, space, name, count in rows
        ]
