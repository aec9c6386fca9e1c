"""A store whose operations are counted and timed, and with them what becomes of its tasks."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol, TypeVar

from dragoman.tasks.state import State, Step, move
from dragoman.tasks.store import TICK_MAX, StoreFailed
from dragoman.tasks.task import US

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable, Sequence

    from dragoman.tasks.store import Store
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

Answer = TypeVar("Answer")
KNOWN_MAX = 10_000
"""Tasks remembered that run here, or whose end was heard of last: far more than run at a time."""
NO_ATTEMPT = frozenset({Step.RELEASE, Step.SUSPEND})


class Meter(Protocol):
    """Where it is counted: functions, states and outcomes by their words."""

    submitted: Counter[str]
    attempts: Counter[tuple[str, str]]
    ended: Counter[tuple[str, str]]
    callbacks: Counter[str]
    failures: Counter[str]

    def operation(self, name: str, seconds: float) -> None:
        """Count an operation of the store that took so long."""
        ...

    def waited(self, function: str, seconds: float) -> None:
        """Count a task that was begun so long after it was due."""
        ...


class MeasuredStore:
    """Another `Store`, with a `Meter`."""

    def __init__(self, store: Store, meter: Meter, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._meter = meter
        self._monotonic = monotonic
        self._functions: OrderedDict[str, str] = OrderedDict()
        self._ends: OrderedDict[str, int] = OrderedDict()

    async def open(self) -> None:
        """Connect."""
        await self._timed("open", self._store.open())

    async def close(self) -> None:
        """Let go."""
        await self._store.close()

    def listen(self, heard: Callable[[Sequence[Change]], object]) -> None:
        """Have `heard` told of changes."""

        def told(changes: Sequence[Change]) -> None:
            self._heard(changes)
            heard(changes)

        self._store.listen(told)

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """Store tasks."""
        told = await self._timed("submit", self._store.submit(submissions))
        for submission, each in zip(submissions, told, strict=True):
            if each.created:
                self._meter.submitted[submission.function] += 1
        return told

    async def get(self, id: str, *, whole: bool = False) -> Task | None:  # noqa: A002 - the field's public name
        """A task."""
        return await self._timed("get", self._store.get(id, whole=whole))

    async def find(self, query: Query) -> list[Task]:
        """Outlines of tasks."""
        return await self._timed("find", self._store.find(query))

    async def attempts(self, id: str) -> list[Attempt]:  # noqa: A002 - as above
        """The attempts of a task."""
        return await self._timed("attempts", self._store.attempts(id))

    async def notes(self, id: str, after: int = 0, limit: int = 1000) -> list[Note]:  # noqa: A002 - as above
        """What a task has logged."""
        return await self._timed("notes", self._store.notes(id, after, limit))

    async def awaited(self, ids: Sequence[str]) -> set[str]:
        """The tasks that these wait for, and so on."""
        return await self._timed("awaited", self._store.awaited(ids))

    async def cancel(self, id: str, now: int) -> State | None:  # noqa: A002 - as above
        """Have a task never run, or be stopped."""
        return await self._timed("cancel", self._store.cancel(id, now))

    async def replay(self, id: str, now: int, attempts_max: int, deadline: int = 0) -> State | None:  # noqa: A002 - as above
        """Have a task run anew."""
        return await self._timed("replay", self._store.replay(id, now, attempts_max, deadline))

    async def enlist(self, runner: Runner) -> None:
        """Know a runner."""
        await self._timed("enlist", self._store.enlist(runner))

    async def pulse(self, runner: str) -> Pulse:
        """Count a runner up."""
        return await self._timed("pulse", self._store.pulse(runner))

    async def beats(self) -> list[Beat]:
        """The runners that are known."""
        return await self._timed("beats", self._store.beats())

    async def reap(self, runner: str, now: int, fault: bytes) -> int:
        """Forget a runner."""
        return await self._timed("reap", self._store.reap(runner, now, fault))

    async def claim(self, runner: str, wants: Sequence[Want], now: int) -> list[Claimed]:
        """Take tasks that are due."""
        claimed = await self._timed("claim", self._store.claim(runner, wants, now))
        for each in claimed:
            task = each.task
            _remember(self._functions, task.id, task.submission.function)
            self._meter.waited(task.submission.function, (now - task.due_at) / US)
        return claimed

    async def tell(self, told: Sequence[Told]) -> None:
        """Keep what running tasks say."""
        await self._timed("tell", self._store.tell(told))

    async def settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Record how attempts ended."""
        held = await self._timed("settle", self._store.settle(outcomes))
        for outcome, holds in zip(outcomes, held, strict=True):
            function = self._functions.pop(outcome.id, "")
            if holds and outcome.step not in NO_ATTEMPT:
                self._meter.attempts[function, move(State.RUNNING, outcome.step).value] += 1
        return held

    async def tick(self, now: int, most: int = TICK_MAX) -> int:
        """Move on what time moves."""
        return await self._timed("tick", self._store.tick(now, most))

    async def hurry(self, now: int) -> None:
        """Have tasks that pause be due."""
        await self._timed("hurry", self._store.hurry(now))

    async def deliveries(self, runner: str, count: int, now: int) -> list[Delivery]:
        """Take deliveries that are due."""
        return await self._timed("deliveries", self._store.deliveries(runner, count, now))

    async def delivered(self, outcomes: Sequence[Delivered]) -> None:
        """Record what became of deliveries."""
        await self._timed("delivered", self._store.delivered(outcomes))
        for each in outcomes:
            if each.done or each.dead or each.fault:
                outcome = "delivered" if each.done else "dead" if each.dead else "failed"
                self._meter.callbacks[outcome] += 1

    async def undelivered(self, limit: int = 100) -> list[Delivery]:
        """Deliveries that were given up."""
        return await self._timed("undelivered", self._store.undelivered(limit))

    async def redeliver(self, id: str, now: int) -> bool:  # noqa: A002 - the field's public name
        """Have a delivery that was given up tried again."""
        return await self._timed("redeliver", self._store.redeliver(id, now))

    async def last_slot(self, schedule: str) -> int:
        """The last moment for which a schedule was fired."""
        return await self._timed("last_slot", self._store.last_slot(schedule))

    async def fire(self, schedule: str, slot: int, submission: Submission | None) -> bool:
        """Store the task of one moment of a schedule."""
        fired = await self._timed("fire", self._store.fire(schedule, slot, submission))
        if fired and submission is not None:
            self._meter.submitted[submission.function] += 1
        return fired

    async def census(self) -> Census:
        """How many tasks there are."""
        return await self._timed("census", self._store.census())

    async def prune(self, keeping: Keeping, now: int, limit: int = 1000) -> int:
        """Forget tasks that ended too long ago."""
        return await self._timed("prune", self._store.prune(keeping, now, limit))

    async def _timed(self, name: str, asked: Awaitable[Answer]) -> Answer:
        begun = self._monotonic()
        try:
            return await asked
        except StoreFailed:
            self._meter.failures[name] += 1
            raise
        finally:
            self._meter.operation(name, self._monotonic() - begun)

    def _heard(self, changes: Sequence[Change]) -> None:
        for change in changes:
            # A change may be told twice, by this process and by the store.
            if change.state.over and self._ends.get(change.id, -1) < change.seq:
                _remember(self._ends, change.id, change.seq)
                self._meter.ended[change.function, change.state.value] += 1


Value = TypeVar("Value")


def _remember(known: OrderedDict[str, Value], id: str, value: Value) -> None:  # noqa: A002 - the field's public name
    known[id] = value
    if len(known) > KNOWN_MAX:
        known.popitem(last=False)
