"""Runners on a real store, whose functions are coroutines of the test."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from dragoman.core.call import Call, Reply
from dragoman.core.clock import SystemClock
from dragoman.core.fault import NotFound
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.policies.attempt import attempt
from dragoman.policies.surroundings import Surroundings, call_later
from dragoman.tasks.document import Faults
from dragoman.tasks.identity import Identities
from dragoman.tasks.options import TaskOptions
from dragoman.tasks.runner import Runner, Terms
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.task import US, Keeping, Submission
from dragoman.tasks.watching import Watching
from dragoman.tasks.works import Job, Room

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from dragoman.core.clock import Clock
    from dragoman.core.fault import Fault
    from dragoman.tasks.state import State, Step
    from dragoman.tasks.store import Store
    from dragoman.tasks.task import Outcome, Task

Function = Callable[[Call], Awaitable[Reply]]
AROUND = Surroundings(SystemClock(), call_later, random.random, itertools.count(1).__next__)
QUICK = TaskOptions(base_s=0.001, max_s=0.005)
WAIT_S = 20.0


async def echo(call: Call) -> Reply:
    return Reply(bytes(call.body), call.codec)  # pyright: ignore[reportArgumentType] - bytes, in these tests


class Workshop:
    """`Works` of some coroutines, all in one group."""

    def __init__(self, functions: dict[str, Function], options: TaskOptions = QUICK, places: int = 2) -> None:
        self.functions = functions
        self.room_now = Room(places)
        self.options = options
        self.troubles: list[str] = []
        self.failures: list[tuple[str, Step]] = []
        self.in_flight = 0
        self.most = 0

    def jobs(self) -> dict[str, Job]:
        return {name: Job("w", self.options) for name in self.functions}

    def room(self, group: str) -> Room:
        if group != "w":
            return Room(0)
        room = self.room_now
        return Room(room.places, room.busy + self.in_flight, room.waiting)

    def offered(self) -> int:
        return 0

    def call(self, task: Task) -> Call:
        submission = task.submission
        if submission.function not in self.functions:
            raise NotFound(f"there is no {submission.function}")
        target = Target(submission.function, "w", submission.function, 0, 30.0)
        return Call(target, submission.body, submission.codec, submission.reply_codec)

    def run(self, call: Call) -> Pending:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        pending = attempt(self.functions[call.target.name], call)
        pending.then(self._left)
        return pending

    def _left(self, _: Pending) -> None:
        self.in_flight -= 1

    def failed(self, task: Task, fault: Fault, step: Step) -> None:
        self.failures.append((fault.detail, step))

    def trouble(self, message: str) -> None:
        self.troubles.append(message)


class Desk:
    """Submits tasks, and waits for them."""

    def __init__(self, store: Store, watching: Watching) -> None:
        self.store = store
        self.watching = watching
        self.next_id = Identities(SystemClock(), os.urandom)

    async def submit(self, function: str, count: int = 1, **fields: object) -> list[str]:
        now = int(SystemClock().now() * US)
        fields = {"attempts_max": 3, **fields}
        made = [
            Submission(self.next_id(), function, "", b"%d" % number, submitted_at=now, **fields)  # pyright: ignore[reportArgumentType] - what the test says
            for number in range(count)
        ]
        await self.store.submit(made)
        return [each.id for each in made]

    async def over(self, id_: str) -> Task:
        """The task, once it is over."""
        return await self.reached(id_, lambda task: task.state.over)

    async def reached(self, id_: str, when: Callable[[Task], bool]) -> Task:
        async with asyncio.timeout(WAIT_S):
            while True:
                with self.watching.next(id_) as watch:
                    task = await self.store.get(id_, whole=True)
                    assert task is not None
                    if when(task):
                        return task
                    await watch.changed(1.0)

    async def in_state(self, id_: str, state: State) -> Task:
        return await self.reached(id_, lambda task: task.state is state)


@asynccontextmanager
async def desk(folder: Path) -> AsyncGenerator[Desk]:
    """A store in a folder, without a runner."""
    store, watching = SqliteStore(folder / "tasks.db"), Watching()
    store.listen(watching.heard)
    await store.open()
    try:
        yield Desk(store, watching)
    finally:
        await store.close()


class Like:
    """A store that does what another one does, but for what is said of it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


class Full(Like):
    """A store that records no outcome until it `takes` them."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.refused = asyncio.Event()
        self.takes = False

    async def settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        if self.takes:
            return await self.store.settle(outcomes)
        self.refused.set()
        raise StoreFailed("the disk is full")


def runner_of(store: Store | Like, works: Workshop, lease_s: float = 15.0, clock: Clock | None = None) -> Runner:
    """A runner, not yet started."""
    store = cast("Store", store)
    terms = Terms("test", lease_s, Keeping)
    around = AROUND if clock is None else replace(AROUND, clock=clock)
    return Runner(store, works, around, Faults("test", lambda _: 500), terms, Identities(SystemClock(), os.urandom))


@asynccontextmanager
async def running(
    at: Desk,
    works: Workshop,
    lease_s: float = 15.0,
    drain_s: float = 5.0,
    *,
    store: Like | None = None,
    clock: Clock | None = None,
) -> AsyncGenerator[Runner]:
    """A runner of a desk's store, or of one that is like it."""
    runner = runner_of(store or at.store, works, lease_s, clock)
    at.watching.listeners.append(runner.heard)
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop(drain_s)
        at.watching.listeners.remove(runner.heard)
