"""What moves tasks besides their runs: time, people, and the death of runners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.tasks.identity import is_id
from dragoman.tasks.stores.postgres.rows import STATES, changes_of
from dragoman.tasks.stores.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.tasks.state import State
    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool
    from dragoman.tasks.stores.postgres.waking import Waking


class Moving:
    """Moves tasks of one server."""

    def __init__(self, pool: Pool, waking: Waking) -> None:
        self._pool = pool
        self._waking = waking

    async def cancel(self, id_: str, now: int) -> State | None:
        """Have a task never run, or be stopped."""
        return await self._one(id_, "cancel", now)

    async def replay(self, id_: str, now: int, attempts_max: int, deadline: int) -> State | None:
        """Have a task that ended without a result run anew."""
        return await self._one(id_, "replay", now, attempts_max, deadline)

    async def tick(self, now: int, most: int) -> int:
        """Move on what time moves."""
        rows = await self._pool.run(lambda wire: wire.fetch(statement("tick"), now, most), writes=True)
        await self._waking.follow(changes_of(rows))
        await self._waking.sweep()
        return await self._pool.run(lambda wire: wire.fetchval(statement("next"))) or 0

    async def hurry(self, now: int) -> None:
        """Have tasks that pause be due."""
        await self._pool.run(lambda wire: wire.execute(statement("hurry"), now), writes=True, repeats=True)

    async def reap(self, runner: str, now: int, fault: bytes) -> int:
        """Forget a runner, and take from it what it ran."""

        async def work(wire: Wire) -> Sequence[Any]:
            async with wire.transaction():
                # By a statement of its own: the next one sees what this runner claimed until it was struck off.
                await wire.execute(statement("strike"), runner)
                return await wire.fetch(statement("reap"), runner, now, fault)

        rows = await self._pool.run(work, writes=True, repeats=True)
        await self._waking.follow(changes_of(rows))
        return len(rows)

    async def _one(self, id_: str, name: str, *args: int) -> State | None:
        self._pool.check()
        if not is_id(id_):
            return None

        async def work(wire: Wire) -> Any:
            return await wire.fetchrow(statement(name), id_, *args)

        row = await self._pool.run(work, writes=True, repeats=True)
        if row is None:
            return None
        if row[1] is not None:
            await self._waking.follow(changes_of([row]))
        return STATES[row[2]]
