"""Messages about the ends of tasks, until somebody has taken them or they are given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.tasks.identity import is_id
from dragoman.tasks.stores.postgres.rows import delivery_of
from dragoman.tasks.stores.postgres.statements import statement
from dragoman.tasks.stores.postgres.taking import Taking
from dragoman.tasks.stores.postgres.text import packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool
    from dragoman.tasks.task import Delivered, Delivery


class Delivering:
    """Deliveries of one server."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._taking = Taking(pool, "delivering_again")

    async def take(self, runner: str, count: int, now: int) -> list[Delivery]:
        """Take deliveries that are due."""
        if count <= 0:
            return []

        async def take(wire: Wire, token: int) -> Sequence[Any]:
            return await wire.fetch(statement("deliveries"), runner, count, now, token)

        return [delivery_of(tuple(row)[1:]) for row in await self._taking.take(runner, take)]

    async def delivered(self, outcomes: Sequence[Delivered]) -> None:
        """Record what became of deliveries."""
        rows = [
            (
                each.id,
                each.token,
                "DONE" if each.done else "DEAD" if each.dead else "DUE",
                each.due_at,
                packed(each.fault),
                each.tried,
            )
            for each in outcomes
            if is_id(each.id)
        ]
        if not rows:
            return
        columns = [list(column) for column in zip(*rows, strict=True)]

        async def work(wire: Wire) -> Any:
            return await wire.execute(statement("delivered"), *columns)

        await self._pool.run(work, writes=True, repeats=True)

    async def given_up(self, limit: int) -> list[Delivery]:
        """Deliveries that were given up, the latest first."""
        rows = await self._pool.run(lambda wire: wire.fetch(statement("undelivered"), max(limit, 0)), repeats=True)
        return [delivery_of(tuple(row)) for row in rows]

    async def redeliver(self, id_: str, now: int) -> bool:
        """Have a delivery that was given up tried again."""
        if not is_id(id_):
            return False
        found = await self._pool.run(lambda wire: wire.fetchval(statement("redeliver"), id_, now), writes=True)
        return bool(found)
