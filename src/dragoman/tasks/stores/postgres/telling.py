"""Keeping what running tasks say: how far they are, and lines for their logs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dragoman.tasks.identity import is_id
from dragoman.tasks.stores.postgres.lane import Lane, Load
from dragoman.tasks.stores.postgres.rows import changes_of
from dragoman.tasks.stores.postgres.statements import statement
from dragoman.tasks.stores.postgres.text import packed
from dragoman.tasks.task import NOTES_MAX, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool
    from dragoman.tasks.task import Change

TRIM_EVERY = 256
"""A task's oldest lines go when it has changed so often again; until then there may be as many more of them."""


class Telling:
    """What the tasks of one host say."""

    def __init__(self, pool: Pool, tell: Callable[[Sequence[Change]], object]) -> None:
        """`tell` is told of tasks that have said something."""
        self._pool = pool
        self._tell = tell
        self.lane: Lane[Told, None] = Lane(self._keep, _load)

    async def tell(self, told: Sequence[Told]) -> None:
        """Keep what was said."""
        await asyncio.gather(*(self.lane.ask(each) for each in told if is_id(each.id)))

    async def _keep(self, batch: list[Told], size: int) -> list[None]:
        said = merged(batch)
        heads = [(each.id, each.token, each.at, each.progress, _message(each), len(each.lines)) for each in said]
        lines = [
            (each.id, each.token, number, packed(level), packed(message))
            for each in said
            for number, (level, message) in enumerate(each.lines, 1)
        ]
        columns = _columns(heads, 6) + _columns(lines, 5)

        async def work(wire: Wire) -> Sequence[Any]:
            rows = await wire.fetch(statement("tell"), *columns)
            full = [row[0] for row in rows if row[5] // TRIM_EVERY != row[3] // TRIM_EVERY]
            if full:
                await wire.execute(statement("trim"), full, NOTES_MAX)
            return rows

        rows = await self._pool.run(work, writes=True, size=size)
        self._tell(changes_of(rows))
        return [None] * len(batch)


def merged(batch: Sequence[Told]) -> list[Told]:
    """What one attempt has said several times, as said once; no more lines than are kept."""
    said: dict[tuple[str, int], Told] = {}
    for told in batch:
        before = said.get((told.id, told.token), told)
        known = before is not told
        progress = before.progress if told.progress is None else told.progress
        message = before.message if told.progress is None else told.message
        lines = ((*before.lines, *told.lines) if known else told.lines)[-NOTES_MAX:]
        said[told.id, told.token] = Told(told.id, told.token, told.at, progress, message, lines)
    return list(said.values())


def _message(told: Told) -> str | None:
    """The message, or None to leave the one before: it belongs to how far the task is."""
    return None if told.progress is None else packed(told.message)


def _load(told: Told) -> Load:
    return Load(1 + len(told.lines), sum(len(message) for _, message in told.lines))


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(count)]
