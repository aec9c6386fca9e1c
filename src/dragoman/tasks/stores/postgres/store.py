"""The port of task stores on a Postgres server, for many hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.tasks.store import TICK_MAX
from dragoman.tasks.stores.postgres.claiming import Claiming
from dragoman.tasks.stores.postgres.delivering import Delivering
from dragoman.tasks.stores.postgres.driver import connect
from dragoman.tasks.stores.postgres.herald import Herald
from dragoman.tasks.stores.postgres.keeping import Housekeeping
from dragoman.tasks.stores.postgres.migrating import Migration
from dragoman.tasks.stores.postgres.moving import Moving
from dragoman.tasks.stores.postgres.options import PostgresOptions, read
from dragoman.tasks.stores.postgres.pool import Pool, farewell
from dragoman.tasks.stores.postgres.reading import Reading
from dragoman.tasks.stores.postgres.runners import Runners
from dragoman.tasks.stores.postgres.settling import Settling
from dragoman.tasks.stores.postgres.submitting import Submitting
from dragoman.tasks.stores.postgres.telling import Telling
from dragoman.tasks.stores.postgres.waking import Waking

if TYPE_CHECKING:
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


class PostgresStore:
    """Tasks in one schema of one server. For one loop."""

    def __init__(self, url: str | PostgresOptions) -> None:
        """`url` is `postgres://user:password@host:port/database?sslmode=…&schema=…&connections=…`.

        Raises `ValueError` for one that cannot be one.
        """
        self.options = read(url) if isinstance(url, str) else url
        self.pool = Pool(self.options)
        self.migration = Migration(self.options)
        self.herald = Herald(self.options, self.pool, self.migration)
        self._keeping = Housekeeping(self.pool)
        self.waking = Waking(self.pool, self._tell)
        self._submitting = Submitting(self.pool, self._tell)
        self.claiming = Claiming(self.pool, self._tell)
        self._settling = Settling(self.pool, self.waking)
        self._telling = Telling(self.pool, self._tell)
        self._moving = Moving(self.pool, self.waking)
        self._reading = Reading(self.pool)
        self._runners = Runners(self.pool)
        self._delivering = Delivering(self.pool)

    async def open(self) -> None:
        """Connect, and bring the schema up to date."""
        self.pool.open()
        try:
            wire = await connect(self.options, {"lock_timeout": "60s"})
            try:
                await self.migration.prepare(wire)
            finally:
                await farewell(wire)
            self.herald.start()
            await self.herald.ready()
        except BaseException:
            await self.herald.close()
            await self.pool.close()
            raise

    async def close(self) -> None:
        """Finish what was asked for, and let go."""
        lanes = (self._submitting.lane, self._settling.lane, self._telling.lane, *self._reading.lanes)
        for lane in lanes:
            await lane.close()
        await self.waking.lane.close()
        await self._keeping.close()
        await self.herald.close()
        await self.pool.close()

    def listen(self, heard: Callable[[Sequence[Change]], object]) -> None:
        """Have `heard` told of changes."""
        self.herald.heard.append(heard)

    def _tell(self, changes: Sequence[Change]) -> None:
        if changes:
            self._keeping.counted()
            self.herald.tell(changes)

    # Tasks

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """Store tasks."""
        return await self._submitting.submit(submissions)

    async def get(self, id: str, *, whole: bool = False) -> Task | None:  # noqa: A002 - the port's name
        """A task, or its outline."""
        return await self._reading.get(id, whole=whole)

    async def find(self, query: Query) -> list[Task]:
        """Outlines of tasks, the newest first."""
        return await self._reading.find(query)

    async def attempts(self, id: str) -> list[Attempt]:  # noqa: A002 - the port's name
        """The attempts of a task."""
        return await self._reading.attempts(id)

    async def notes(self, id: str, after: int = 0, limit: int = 1000) -> list[Note]:  # noqa: A002 - the port's name
        """What a task has logged."""
        return await self._reading.notes(id, after, limit)

    async def awaited(self, ids: Sequence[str]) -> set[str]:
        """The tasks that these wait for, and so on."""
        return await self._reading.awaited(ids)

    async def cancel(self, id: str, now: int) -> State | None:  # noqa: A002 - the port's name
        """Have a task never run, or be stopped."""
        return await self._moving.cancel(id, now)

    async def replay(self, id: str, now: int, attempts_max: int, deadline: int = 0) -> State | None:  # noqa: A002 - as above
        """Have a task that ended without a result run anew."""
        return await self._moving.replay(id, now, attempts_max, deadline)

    # Running

    async def enlist(self, runner: Runner) -> None:
        """Know a runner from now on."""
        await self._runners.enlist(runner)

    async def pulse(self, runner: str) -> Pulse:
        """Count a runner up."""
        return await self._runners.pulse(runner)

    async def beats(self) -> list[Beat]:
        """The runners that are known."""
        return await self._runners.beats()

    async def reap(self, runner: str, now: int, fault: bytes) -> int:
        """Forget a runner, and take from it what it ran."""
        count = await self._moving.reap(runner, now, fault)
        self.herald.nudge()
        return count

    async def claim(self, runner: str, wants: Sequence[Want], now: int) -> list[Claimed]:
        """Take tasks that are due."""
        return await self.claiming.claim(runner, wants, now)

    async def tell(self, told: Sequence[Told]) -> None:
        """Keep what running tasks say."""
        await self._telling.tell(told)

    async def settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Record how attempts ended."""
        return await self._settling.settle(outcomes)

    async def tick(self, now: int, most: int = TICK_MAX) -> int:
        """Move on what time moves."""
        return await self._moving.tick(now, most)

    async def hurry(self, now: int) -> None:
        """Have tasks that pause be due."""
        await self._moving.hurry(now)

    # Deliveries

    async def deliveries(self, runner: str, count: int, now: int) -> list[Delivery]:
        """Take deliveries that are due."""
        return await self._delivering.take(runner, count, now)

    async def delivered(self, outcomes: Sequence[Delivered]) -> None:
        """Record what became of deliveries."""
        await self._delivering.delivered(outcomes)

    async def undelivered(self, limit: int = 100) -> list[Delivery]:
        """Deliveries that were given up."""
        return await self._delivering.given_up(limit)

    async def redeliver(self, id: str, now: int) -> bool:  # noqa: A002 - the port's name
        """Have a delivery that was given up tried again."""
        return await self._delivering.redeliver(id, now)

    # Schedules

    async def last_slot(self, schedule: str) -> int:
        """The last moment for which a schedule was fired."""
        return await self._reading.last_slot(schedule)

    async def fire(self, schedule: str, slot: int, submission: Submission | None) -> bool:
        """Store the task of one moment of a schedule."""
        return await self._submitting.fire(schedule, slot, submission)

    # Keeping

    async def census(self) -> Census:
        """How many tasks there are."""
        return await self._reading.census()

    async def prune(self, keeping: Keeping, now: int, limit: int = 1000) -> int:
        """Forget tasks that ended too long ago."""
        return await self._keeping.prune(keeping, now, limit)
