"""The store in one file: each operation goes to the thread that writes, or to the one that reads."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.tasks.store import TICK_MAX
from dragoman.tasks.stores.sqlite import asking, delivering, reading, running, settling, submitting, upkeep
from dragoman.tasks.stores.sqlite.clerk import Clerk
from dragoman.tasks.stores.sqlite.options import Options
from dragoman.tasks.stores.sqlite.order import Many, Order, Single
from dragoman.tasks.stores.sqlite.reader import Question, Reader
from dragoman.tasks.stores.sqlite.writer import Writer

if TYPE_CHECKING:
    import asyncio
    import sqlite3
    from collections.abc import Callable, Sequence

    from dragoman.tasks.state import State
    from dragoman.tasks.task import (
        Attempt,
        Beat,
        Census,
        Change,
        Claimed,
        Delivered,
        Delivery,
        Keeping,
        Note,
        Outcome,
        Pulse,
        Query,
        Runner,
        Submission,
        Submitted,
        Task,
        Told,
        Want,
    )

BATCH_MAX = 512
"""Operations in one transaction: more would make the first wait for the last."""
_SUBMIT, _TELL, _SETTLE, _OTHER, _CLAIM = range(5)
"""Ranks: what came at the same time is claimed last, so that it is there to be claimed."""


class SqliteStore:
    """A `tasks.store.Store` in one file. What `Options` says is for all of it."""

    def __init__(self, path: str | Path, options: Options | None = None) -> None:
        options = options or Options()
        self._path = Path(path).resolve()
        listener = os.urandom(8).hex()
        self._hears: Callable[[Sequence[Change]], object] | None = None
        self._writing = Writer(self._path, listener, options)
        self._reader = Clerk("dragoman-tasks-reader", Reader(self._path, options), BATCH_MAX, self._heard)
        self._writer = Clerk("dragoman-tasks-writer", self._writing, BATCH_MAX, self._heard)
        self._opened = False

    async def open(self) -> None:
        """Open the file, or make it. Raises `StoreFailed`."""
        try:
            await self._writer.open()
            await self._reader.open()
            self._opened = True
            if self._hears is not None:
                await self._register()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what was asked for, and let go of the file."""
        self._opened = False
        await self._reader.close()
        await self._writer.close()

    def listen(self, heard: Callable[[Sequence[Change]], object]) -> None:
        """Have `heard` told of changes. Before `open`, so that none is missed."""
        self._hears = heard
        if self._opened:
            self._register()

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """Store tasks."""
        return await self._write_many(_SUBMIT, submitting.submit, submissions)

    async def get(self, id: str, *, whole: bool = False) -> Task | None:  # noqa: A002 - the field's public name
        """A task."""
        return await self._read(partial(reading.get, id=id, whole=whole))

    async def find(self, query: Query) -> list[Task]:
        """Outlines of tasks, the newest first."""
        return await self._read(partial(reading.find, query=query))

    async def attempts(self, id: str) -> list[Attempt]:  # noqa: A002 - as above
        """The attempts of a task."""
        return await self._read(partial(reading.attempts, id=id))

    async def notes(self, id: str, after: int = 0, limit: int = 1000) -> list[Note]:  # noqa: A002 - as above
        """What a task has logged."""
        return await self._read(partial(reading.notes, id=id, after=after, limit=limit))

    async def awaited(self, ids: Sequence[str]) -> set[str]:
        """The tasks that these wait for, and so on."""
        return await self._read(partial(reading.awaited, ids=ids))

    async def cancel(self, id: str, now: int) -> State | None:  # noqa: A002 - as above
        """Have a task never run, or be stopped."""
        return await self._write(partial(asking.cancel, id=id, now=now))

    async def replay(self, id: str, now: int, attempts_max: int, deadline: int = 0) -> State | None:  # noqa: A002 - as above
        """Have a task that ended without a result run anew."""
        return await self._write(partial(asking.replay, id=id, now=now, attempts_max=attempts_max, deadline=deadline))

    async def enlist(self, runner: Runner) -> None:
        """Know a runner from now on."""
        await self._write(partial(running.enlist, runner=runner), lasting=False)

    async def pulse(self, runner: str) -> Pulse:
        """Count a runner up."""
        return await self._write(partial(running.pulse, runner=runner), lasting=False)

    async def beats(self) -> list[Beat]:
        """The runners that are known."""
        return await self._read(reading.beats)

    async def reap(self, runner: str, now: int, fault: bytes) -> int:
        """Forget a runner, and take from it what it ran."""
        return await self._write(partial(running.reap, runner=runner, now=now, fault=fault))

    async def claim(self, runner: str, wants: Sequence[Want], now: int) -> list[Claimed]:
        """Take tasks that are due for a runner."""
        claim = partial(running.claim, runner=runner, wants=wants, now=now)
        return await self._write(claim, _CLAIM, lasting=False)

    async def tell(self, told: Sequence[Told]) -> None:
        """Keep what running tasks say."""
        await self._write_many(_TELL, settling.tell, told)

    async def settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Record how attempts ended."""
        return await self._write_many(_SETTLE, settling.settle, outcomes)

    async def tick(self, now: int, most: int = TICK_MAX) -> int:
        """Move on what time moves."""
        return await self._write(partial(asking.tick, now=now, most=most))

    async def hurry(self, now: int) -> None:
        """Have tasks that pause be due."""
        await self._write(partial(asking.hurry, now=now))

    async def deliveries(self, runner: str, count: int, now: int) -> list[Delivery]:
        """Take deliveries that are due."""
        take = partial(delivering.deliveries, runner=runner, count=count, now=now)
        return await self._write(take, _CLAIM, lasting=False)

    async def delivered(self, outcomes: Sequence[Delivered]) -> None:
        """Record what became of deliveries."""
        await self._write_many(_SETTLE, delivering.delivered, outcomes)

    async def undelivered(self, limit: int = 100) -> list[Delivery]:
        """Deliveries that were given up, the latest first."""
        return await self._read(partial(delivering.undelivered, limit=limit))

    async def redeliver(self, id: str, now: int) -> bool:  # noqa: A002, ARG002 - the port's; it is due whatever clocks say
        """Have a delivery that was given up tried again."""
        return await self._write(partial(delivering.redeliver, id=id))

    async def last_slot(self, schedule: str) -> int:
        """The last moment for which a schedule was fired, 0 for never."""
        return await self._read(partial(upkeep.last_slot, schedule=schedule))

    async def fire(self, schedule: str, slot: int, submission: Submission | None) -> bool:
        """Store the task of one moment of a schedule, or pass the moment over."""
        return await self._write(partial(upkeep.fire, schedule=schedule, slot=slot, submission=submission))

    async def census(self) -> Census:
        """How many tasks there are."""
        return await self._read(upkeep.census)

    async def prune(self, keeping: Keeping, now: int, limit: int = 1000) -> int:
        """Forget tasks that ended too long ago, or are too many."""
        gone = await self._write(partial(upkeep.prune, keeping=keeping, now=now, limit=limit))
        await self._write(self._writing.finish)
        return gone

    async def _write(self, single: Single, rank: int = _OTHER, *, lasting: bool = True) -> Any:
        future = self._writer.future()
        self._writer.put(Order(future, rank, single=single, lasting=lasting))
        return await future

    async def _write_many(self, rank: int, many: Many, items: Sequence[Any]) -> Any:
        if not items:
            return []
        future = self._writer.future()
        self._writer.put(Order(future, rank, many, items))
        return await future

    async def _read(self, answer: Callable[[sqlite3.Connection], Any]) -> Any:
        future = self._reader.future()
        self._reader.put(Question(future, answer))
        return await future

    def _register(self) -> asyncio.Future[Any]:
        future = self._writer.future()
        self._writer.put(Order(future, _OTHER, single=self._writing.register))
        return future

    def _heard(self, changes: Sequence[Change]) -> None:
        if self._hears is not None:
            self._hears(changes)
