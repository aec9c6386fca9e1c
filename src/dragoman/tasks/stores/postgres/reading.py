"""Looking at tasks: those that are asked for at a moment together, and lists without reading past what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.tasks.identity import is_id
from dragoman.tasks.stores.postgres.lane import Lane, Load
from dragoman.tasks.stores.postgres.rows import STATES, task_of
from dragoman.tasks.stores.postgres.search import search
from dragoman.tasks.stores.postgres.statements import statement
from dragoman.tasks.stores.postgres.text import packed, unpacked
from dragoman.tasks.task import NOTES_MAX, Attempt, Census, Note, Query, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool

FLIGHTS = 2
WHOLE_BYTES = 64 * 1024
"""What a whole task is taken to be when it is asked for: so many of them are not read into one answer."""


class Reading:
    """Looks at what one server has."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        waiting_max = pool.options.waiting_max
        self._outlines: Lane[str, Task | None] = Lane(
            self._get_outlines, lambda _: Load(), flights=FLIGHTS, waiting_max=waiting_max
        )
        self._wholes: Lane[str, Task | None] = Lane(
            self._get_wholes, lambda _: Load(1, WHOLE_BYTES), flights=FLIGHTS, waiting_max=waiting_max
        )
        self.lanes = (self._outlines, self._wholes)

    async def get(self, id_: str, *, whole: bool) -> Task | None:
        """One task."""
        self._pool.check()
        if not is_id(id_):
            return None
        return await (self._wholes if whole else self._outlines).ask(id_)

    async def find(self, query: Query) -> list[Task]:
        """Outlines of tasks."""
        self._pool.check()
        if query.limit <= 0 or (query.before and not is_id(query.before)):
            return []
        text, arguments = search(query)
        rows = await self._pool.run(lambda wire: wire.fetch(text, *arguments), repeats=True)
        return [task_of(tuple(row)) for row in rows]

    async def attempts(self, id_: str) -> list[Attempt]:
        """The attempts of one task."""
        self._pool.check()
        if not is_id(id_):
            return []
        rows = await self._fetch("attempts", id_)
        return [Attempt(number, unpacked(runner), *rest) for number, runner, *rest in rows]

    async def notes(self, id_: str, after: int, limit: int) -> list[Note]:
        """Lines that one task has logged."""
        self._pool.check()
        if not is_id(id_):
            return []
        rows = await self._fetch("notes", id_, after, max(limit, 0), NOTES_MAX)
        return [Note(seq, at, unpacked(level), unpacked(message)) for seq, at, level, message in rows]

    async def awaited(self, ids: Sequence[str]) -> set[str]:
        """The tasks that these wait for, and so on."""
        self._pool.check()
        return {row[0] for row in await self._fetch("awaited_by", [each for each in ids if is_id(each)])}

    async def last_slot(self, schedule: str) -> int:
        """The last moment for which a schedule was fired."""
        rows = await self._fetch("last_slot", packed(schedule))
        return rows[0][0] if rows else 0

    async def census(self) -> Census:
        """How many tasks there are."""
        census = Census()
        for function, state, count, oldest in await self._fetch("census"):
            census.counts[function, STATES[state]] = count
            if oldest is not None:
                census.oldest[function] = oldest
        return census

    async def _fetch(self, name: str, *args: Any) -> Sequence[Any]:
        return await self._pool.run(lambda wire: wire.fetch(statement(name), *args), repeats=True)

    async def _get_outlines(self, ids: list[str], _: int) -> list[Task | None]:
        return await self._get("outlines", ids)

    async def _get_wholes(self, ids: list[str], _: int) -> list[Task | None]:
        return await self._get("wholes", ids)

    async def _get(self, name: str, ids: list[str]) -> list[Task | None]:
        async def work(wire: Wire) -> Sequence[Any]:
            return await wire.fetch(statement(name), list(dict.fromkeys(ids)))

        rows = await self._pool.run(work, repeats=True)
        found = {row[0]: row for row in map(tuple, rows)}
        # Each who asks gets one of their own: what is changeable is not shared.
        return [task_of(found[id_]) if id_ in found else None for id_ in ids]
