"""Taking tasks: those that others are about to take are skipped, and a function's bound holds for all hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.tasks.stores.postgres.locks import lock_of
from dragoman.tasks.stores.postgres.rows import task_of
from dragoman.tasks.stores.postgres.statements import statement
from dragoman.tasks.stores.postgres.taking import Taking
from dragoman.tasks.task import Change, Claimed, Want

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool


class Claiming:
    """The claims of one host."""

    def __init__(self, pool: Pool, tell: Callable[[Sequence[Change]], object]) -> None:
        """`tell` is told of what is claimed."""
        self.taking = Taking(pool, "claimed_again")
        self._tell = tell
        self._schema = pool.options.schema

    async def claim(self, runner: str, wants: Sequence[Want], now: int) -> list[Claimed]:
        """Take tasks for a runner."""
        wants = [want for want in wants if want.count > 0]
        if not wants:
            return []
        columns = [want.function for want in wants], [want.count for want in wants], [want.limit for want in wants]
        bounded = sorted({want.function for want in wants if want.limit > 0})

        async def take(wire: Wire, token: int) -> Sequence[Any]:
            if not bounded:
                return await wire.fetch(statement("claim"), runner, *columns, now, token)
            async with wire.transaction():
                # What runs is counted by a statement of its own: it sees what was claimed until the lock was free.
                locks = [lock_of(self._schema, f"claim {function}") for function in bounded]
                await wire.execute(
                    "".join(f"SELECT pg_advisory_xact_lock({high}, {low});" for high, low in sorted(locks))
                )
                return await wire.fetch(statement("claim"), runner, *columns, now, token)

        rows = await self.taking.take(runner, take)
        claimed = [Claimed(task_of(values[1:]), values[0]) for values in map(tuple, rows)]
        self._tell(
            [Change(each.task.id, each.task.submission.function, each.task.state, each.task.seq) for each in claimed]
        )
        return claimed
