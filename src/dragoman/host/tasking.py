"""The tasks of one host: their store, opened when it is first needed, and what runs them.

A host that has no tasks has no store: none is made before the first task is submitted. Where there is one already, by
its file or its address, it is opened as the host starts, and tried again until it can be.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Protocol

from dragoman.core import backoff
from dragoman.host.errands import Errands
from dragoman.host.works import HostFunctions, HostWorks
from dragoman.tasks.document import Faults
from dragoman.tasks.identity import Identities
from dragoman.tasks.measured import MeasuredStore
from dragoman.tasks.options import SQLITE
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.task import Keeping
from dragoman.tasks.tasks import Tasks
from dragoman.tasks.watching import Watching
from dragoman.telemetry.task_meter import TaskMeter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dragoman.config.project import Project
    from dragoman.host.journal import Journal
    from dragoman.host.registry import Entry
    from dragoman.host.works import Hosting
    from dragoman.tasks.run import Run
    from dragoman.tasks.runner import Runner
    from dragoman.tasks.store import Store
    from dragoman.telemetry.trace import Tracer

STOPPING = "the host is stopping"
PAUSE_S, PAUSE_S_MAX = 0.5, 10.0
"""Between tries to open a store that is there and cannot be opened."""


class Companion(Protocol):
    """Something that works with the store beside the runner: schedules, callbacks, queues."""

    def wanted(self, project: Project) -> bool:
        """Whether it has anything to do, so that the store is opened as the host starts."""
        ...

    async def begin(self, tasking: Tasking, store: Store, runner: Runner) -> None:
        """The store is open, and `runner` runs its tasks here; its id may change.

        Raises `StoreFailed`, and has begun nothing then.
        """
        ...

    async def end(self) -> None:
        """Stop, before the store is closed."""
        ...


class Tasking:
    """What a host does with tasks."""

    def __init__(
        self,
        host: Hosting,
        journal: Journal,
        tracer: Tracer,
        callback: Callable[[bytes], Awaitable[bytes]],
        *,
        runs: bool = True,
    ) -> None:
        """`callback` is how one is kept (`tasks.tasks`). One that does not run tasks stores them for others."""
        self._host = host
        self._journal = journal
        self._runs = runs
        self._works = HostWorks(host, journal, tracer)
        self.functions = HostFunctions(host)
        self.around = host.world.surroundings
        self.watching = Watching()
        self.next_id = Identities(self.around.clock, os.urandom)
        self.tasks = Tasks(self, self.functions, self.watching, self.around.clock, self.next_id, callback)
        self.errands = Errands(host, self.tasks, self._run_of)
        self.meter = TaskMeter()
        self.companions: list[Companion] = []
        self.runner: Runner | None = None
        self._begun: list[Companion] = []
        self._store: Store | None = None
        self._opening: asyncio.Task[Store] | None = None
        self._trying: asyncio.Task[None] | None = None
        self._stopped = False
        host.registry.on_change.append(self._changed)

    # The vault of `Tasks`

    @property
    def backlog(self) -> int:
        """How many tasks may wait."""
        return self._host.project.tasks.backlog

    @property
    def present(self) -> bool:
        """Whether there may be tasks already."""
        return self._store is not None or self._host.project.tasks.present

    async def open(self) -> Store:
        """The store, and with it what runs its tasks. Raises `StoreFailed`."""
        if self._store is not None:
            return self._store
        if self._stopped or self._host.draining:
            raise StoreFailed(STOPPING)
        opening = self._opening
        if opening is None:
            opening = self._opening = asyncio.ensure_future(self._open())
            opening.add_done_callback(self._opened)
        # Whoever gives up waiting leaves it to the others; its own end by `stop` cancels none of them.
        await asyncio.wait((opening,))
        if opening.cancelled():
            raise StoreFailed(STOPPING)
        return opening.result()

    def due(self, at_us: int) -> None:
        """Something is due at a moment, in microseconds since the epoch."""
        if self.runner is not None:
            self.runner.due(at_us)

    # The host

    def start(self) -> None:
        """The host starts: open what is there, without holding anything up."""
        self._want()

    def _want(self) -> None:
        """Open the store where there is something for it to do."""
        wanted = self._runs and (self.present or any(each.wanted(self._host.project) for each in self.companions))
        if wanted and self._trying is None and not self._stopped:
            self._trying = asyncio.ensure_future(self._try())

    async def stop(self, drain_s: float) -> None:
        """The host stops: let tasks that run end for so many seconds, then give them back, and close the store."""
        self._stopped = True
        for each in (self._trying, self._opening):
            if each is not None and not each.done():
                each.cancel()
                await asyncio.wait((each,))
        try:
            await self._leave(drain_s)
        finally:
            store, self._store = self._store, None
            if store is not None:
                await store.close()

    def _run_of(self, task: str) -> Run | None:
        return None if self.runner is None else self.runner.attempts.find(task)

    def _changed(self, entries: Mapping[str, Entry]) -> None:
        self.functions.forget(entries)
        self._want()
        if self.runner is not None:
            self.runner.renew()

    async def _try(self) -> None:
        failures = 0
        while True:
            try:
                await self.open()
            except StoreFailed as error:
                failures += 1
                if failures == 1:
                    self._journal.note("warning", f"tasks: {error}", "", 0)
                await asyncio.sleep(backoff.pause(PAUSE_S, PAUSE_S_MAX, failures, self.around.random))
            else:
                return

    def _opened(self, opening: asyncio.Task[Store]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # whoever waited was told

    async def _open(self) -> Store:
        store = MeasuredStore(store_of(self._host.project.tasks.store), self.meter, self.around.clock.monotonic)
        store.listen(self.watching.heard)
        await store.open()
        before = list(self.watching.listeners)
        try:
            runner = await self._runner(store) if self._runs else None
            if runner is not None:
                await self._accompany(store, runner)
        except BaseException:
            # Whoever opens it next begins anew: this would run beside that, on a store that is closed.
            await self._leave(0.0)
            self.runner = None
            self.watching.listeners[:] = before
            await store.close()
            raise
        self._store = store
        return store

    async def _leave(self, drain_s: float) -> None:
        """End what works with the store."""
        while self._begun:
            await self._begun.pop().end()
        if self.runner is not None:
            await self.runner.stop(drain_s)

    async def _accompany(self, store: Store, runner: Runner) -> None:
        for companion in self.companions:
            await companion.begin(self, store, runner)
            self._begun.append(companion)

    async def _runner(self, store: Store) -> Runner:
        from dragoman.ingress.http.problem import status_of  # noqa: PLC0415 - for hosts that have tasks
        from dragoman.tasks.runner import Runner, Terms  # noqa: PLC0415 - as above

        host = self._host
        terms = Terms(host.project.name, host.project.tasks.lease_s, self._keeping)
        faults = Faults(host.project.name, status_of)
        runner = Runner(store, self._works, self.around, faults, terms, self.next_id)
        self.watching.listeners.append(runner.heard)
        try:
            await runner.start()
        except BaseException:
            self.watching.listeners.remove(runner.heard)
            raise
        self.runner = runner
        return runner

    def _keeping(self) -> Keeping:
        options = self._host.project.tasks
        return Keeping(options.keep_s, options.keep_count)


def store_of(address: str) -> Store:
    """The store of an address, not yet open. Raises `StoreFailed` where it can be none."""
    if address.startswith(SQLITE):
        from dragoman.tasks.stores.sqlite import SqliteStore  # noqa: PLC0415 - each where it is wanted

        return SqliteStore(address.removeprefix(SQLITE))
    try:
        from dragoman.tasks.stores.postgres import PostgresStore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        detail = f"tasks.store is a Postgres, and {error.name} is not installed: pip install 'dragoman[postgres]'"
        raise StoreFailed(detail) from None
    try:
        return PostgresStore(address)
    except ValueError as error:
        raise StoreFailed(f"tasks.store: {error}") from None
