"""Keeps a pool staffed: starts workers, adds some under load, lets idle ones go, replaces the dead and the old.

A source that cannot start is tried again with growing pauses; meanwhile its callers are told why at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from dragoman.core.fault import Draining, Fault, StartFailed
from dragoman.workers.exhaustion import Exhaustion
from dragoman.workers.hire import Hired, Offer, hire
from dragoman.workers.knot import untangle
from dragoman.workers.lifecycle import State
from dragoman.workers.nursery import Nursery
from dragoman.workers.scaling import (
    STILLBORN_MAX,
    WAIT_S,
    YOUNG_S,
    backoff_s,
    crash_pause_s,
    growth,
    is_slow,
    spares,
)
from dragoman.workers.upkeep import Upkeep, processor_s

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from dragoman.contract.function import Contract
    from dragoman.core.ordeal import Ordeal
    from dragoman.sandbox.confinement import Confinement
    from dragoman.workers.pool import Pool
    from dragoman.workers.source import SourceLaunch
    from dragoman.workers.worker import Worker

POLL_S = 0.01
EXIT_S = 0.5
"""How long a worker may take to exit once it has nothing more to do, or has closed its wire; then it is killed."""
GONE_S = 8.0
"""How long stopping waits for killed processes: longer than a kill is repeated. What still lives then sits in the
kernel (a dead network disk), and nobody can end it."""


class Supervisor:
    """Hires, watches and buries the workers of one pool."""

    def __init__(self, pool: Pool, source: SourceLaunch, confinement: Confinement) -> None:
        self.pool = pool
        self.source = source
        self.contracts: tuple[Contract, ...] = ()
        self.features: frozenset[str] = frozenset()
        self.starts = 0
        self.restarts = 0
        self.first_start_s: float | None = None
        self.quickest_start_s: float | None = None
        """Of the workers after the first."""
        self.last_fault: Fault | None = None
        self.on_first_ready: Callable[[tuple[Contract, ...]], None] | None = None
        self._confinement = confinement
        self._hired: dict[Worker, Hired] = {}
        self._hiring: set[asyncio.Task[None]] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._watching: set[asyncio.Task[None]] = set()
        self._renewing: dict[Worker, str] = {}
        self._failures = 0
        self._crashes = 0
        self._retry_at = 0.0
        self._retry: asyncio.TimerHandle | None = None
        self._check: asyncio.TimerHandle | None = None
        self._first: asyncio.Future[None] | None = None
        self._stopping = False
        self._soon = False
        self.nursery = None if source.zygote is None else Nursery(self, source, confinement)
        self._upkeep = Upkeep(self)
        self._offer: Offer | None = None
        self._exhaustion = Exhaustion(confinement, self.note)
        pool.crew = self

    async def start(self) -> tuple[Contract, ...]:
        """Start the first workers and learn from the first of them what they offer.

        Raises `StartFailed` where none of them starts; another try follows by itself.
        """
        self._first = self.pool.loop.create_future()
        self._upkeep.start()
        for _ in range(max(self.pool.options.workers_min, 1)):
            self._spawn()
        await self._first
        return self.contracts

    async def stop(self, timeout_s: float | None = None) -> None:
        """Let calls in flight finish for up to `timeout_s`, then end every worker, and wait until they are gone."""
        pool = self.pool
        deadline = pool.clock.monotonic() + (pool.options.drain_timeout_s if timeout_s is None else timeout_s)
        while not pool.idle and pool.clock.monotonic() < deadline:  # noqa: ASYNC110 - threads with leases tell no event
            await asyncio.sleep(POLL_S)
        self._begin_to_stop()
        for lease in list(pool.leases):
            if not lease.reclaim() and lease.worker is not None:
                lease.worker.condemn(f"{pool.source} is stopping")
        for worker in list(pool.workers):
            pool.release(worker)
        for hired in self._hired.values():
            pool.loop.call_later(EXIT_S, hired.worker.condemn, f"{pool.source} is stopping")
        rest = self._hiring | self._watching
        if rest:
            _, alive = await asyncio.wait(rest, timeout=GONE_S)
            for task in alive:
                task.cancel()
            if alive:
                self.note("error", f"{len(alive)} processes cannot be ended")
        if self.nursery is not None:
            await self.nursery.aclose()
        pool.forget()

    @property
    def starting(self) -> int:
        """How many workers are being started."""
        return len(self._starting)

    @property
    def full(self) -> bool:
        """Whether there are as many workers as there may be, and none of them is just starting."""
        return not self.starting and self.crew_size + self.pool.at_work >= self.pool.options.workers_max

    @property
    def crew_size(self) -> int:
        """Workers that take calls, and those about to."""
        return len(self.pool.workers) + len(self.pool.leases) + self.starting

    def states(self) -> dict[str, int]:
        """How many workers are in each state."""
        counts = dict.fromkeys((str(State.STARTING), str(State.READY), str(State.DRAINING)), 0)
        counts["starting"] = self.starting
        for worker in self._hired:
            if worker.state in (State.READY, State.DRAINING):
                counts[str(worker.state)] += 1
        return counts

    def note(self, level: str, message: str, pid: int = 0) -> None:
        """Tell the journal."""
        self.pool.journal.note(level, message, self.source.name, pid)

    # What the pool says

    def wanted(self) -> None:
        """Calls wait: look in a moment whether they still do."""
        if self._check is None and not self._stopping:
            self._check = self.pool.loop.call_later(WAIT_S, self._consider)
            if self.pool.options.single_use:
                self._ensure_soon()

    def spent(self, worker: Worker) -> None:
        """A worker has been given its only call, or has answered it: others may be due, and it is to leave."""
        if not worker.in_flight and (hired := self._hired.get(worker)) is not None and hired.overdue is None:
            hired.overdue = self.pool.loop.call_later(EXIT_S, worker.condemn, "it did not end after its call")
        self._ensure_soon()

    def refusal(self) -> Fault | None:
        """Why there is no worker, as long as the last start failed; `None` for a call that shall be the next try."""
        fault = self.last_fault
        if fault is None or self.pool.workers or self.pool.leases:
            return None
        wait_s = self._retry_at - self.pool.clock.monotonic()
        if wait_s <= 0 and not self.starting and self._retry is None:
            return None
        return StartFailed(fault.detail, retry_after_s=max(wait_s, 0.1), traceback=fault.traceback)

    def buried(self, worker: Worker) -> None:
        """Note a death, and replace the dead."""
        hired = self._hired.get(worker)
        if hired is None:
            return
        self.pool.loop.call_later(EXIT_S, worker.process.kill)
        self._renewing.pop(worker, None)
        if worker.retired:
            return
        self._crashes = 0 if worker.useful else self._crashes + 1
        now = self.pool.clock.monotonic()
        self._retry_at = max(self._retry_at, now + crash_pause_s(self._crashes))
        young = not worker.calls and now - worker.started_at < YOUNG_S
        hired.stillborn = young and self._crashes >= STILLBORN_MAX
        if not hired.stillborn:  # else it is told why, once that is known
            self.ensure()

    def ensure(self) -> None:
        """Start workers until there are enough; after a failure only one, and not before its time."""
        pool, options = self.pool, self.pool.options
        least = options.workers_min if self.contracts else max(options.workers_min, 1)
        missing = max(least, 1 if len(pool.line) else 0) - self.crew_size
        if options.single_use:
            dying = len(self._hired) - pool.at_work - len(pool.workers)
            missing = spares(options, least, len(pool.line), pool.at_work, dying) - self.crew_size
        if self._stopping or missing <= 0 or (self.starting and self._failures):
            return
        wait_s = self._retry_at - pool.clock.monotonic()
        if wait_s > 0:
            if self._retry is None:
                self._retry = pool.loop.call_later(wait_s, self._try_again)
            return
        for _ in range(1 if self._failures else missing):
            self.restarts += bool(self.contracts) and not options.single_use
            self._spawn()

    def let_go(self, worker: Worker, reason: str) -> None:
        """Have a worker finish what it has and leave; another takes its place where that is needed."""
        self._renewing.pop(worker, None)
        if worker.retired:
            return
        self.note("info", f"worker retired: {reason}", worker.pid)
        self.pool.release(worker)
        hired = self._hired.get(worker)
        if hired is not None:
            wait_s = self.pool.options.drain_timeout_s
            late = f"it had {wait_s:g}s to finish when it was let go: {reason}"
            hired.overdue = self.pool.loop.call_later(wait_s, worker.condemn, late)
        self.ensure()

    def renew(self, worker: Worker, reason: str) -> None:
        """Let a worker go once its successor is ready; at once where others do its work meanwhile."""
        if len(self.pool.workers) > 1:
            self.let_go(worker, reason)
        elif worker not in self._renewing and self.pool.clock.monotonic() >= self._retry_at:
            self._renewing[worker] = reason
            self.restarts += 1
            self._spawn()

    def inspect(self, worker: Worker) -> None:
        """Look at a worker that comes back from a thread: it may be due to leave."""
        self._upkeep.look_at(worker)

    def exhaust(self, ordeal: Ordeal) -> None:
        """Take memory or processors away, under the limits that the workers have."""
        if not self._stopping and self._hired:
            self._exhaustion.begin(ordeal, next(iter(self._hired.values())).limits)

    def _consider(self) -> None:
        self._check = None
        pool = self.pool
        for worker in list(pool.workers):
            pool.answered(worker)
        head_at = pool.line.head_arrived_at()
        if head_at is None or self._stopping:
            return
        now, grows = pool.clock.monotonic(), not pool.options.single_use
        if grows and now - head_at >= WAIT_S and not self.starting and now >= self._retry_at:
            for _ in range(growth(pool.options, len(pool.workers) + len(pool.leases), len(pool.line))):
                self._spawn()
        self.ensure()
        untangle(pool)
        self.wanted()

    # Hiring

    def _spawn(self) -> None:
        self.starts += 1
        task = self._task(self._hiring, self._hire())
        self._starting.add(task)
        # Where it ends before its first step, it is cancelled and does not come to say so itself.
        task.add_done_callback(self._starting.discard)

    async def _hire(self) -> None:
        try:
            try:
                if self.first_start_s is None:
                    await self.source.launch()  # a build is no part of a start
                begun = self.pool.clock.monotonic()
                hired = await self._started()
            finally:
                self._starting.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        except Fault as fault:
            if not self._stopping:
                self._failed(fault)
        else:
            self._time(self.pool.clock.monotonic() - begun)
            self._hired[hired.worker] = hired
            self._task(self._watching, self._watch(hired))
            self._welcome(hired)

    def _time(self, took_s: float) -> None:
        if self.first_start_s is None:
            self.first_start_s = took_s
        else:
            self.quickest_start_s = min(took_s, self.quickest_start_s or took_s)

    async def _started(self) -> Hired:
        """A worker, forked where that can be done."""
        nursery, options = self.nursery, self.pool.options
        if nursery is not None and options.single_use:
            return await nursery.hire()
        if nursery is not None and (hired := await nursery.fork()) is not None:
            return hired
        hired = await hire(self.pool, self.source, self._confinement, known=self._offer)
        if nursery is not None and is_slow(options, processor_s(hired.worker.pid)):
            nursery.begin()
        return hired

    def _welcome(self, hired: Hired) -> None:
        worker, contracts = hired.worker, hired.contracts
        if self._stopping:
            worker.condemn(f"{self.pool.source} is stopping")
            return
        if worker.state is State.GONE:
            hired.stillborn = True
            return
        indexes = None
        if not self.contracts:
            self.contracts, self.features = contracts, frozenset(hired.ready.features)
            self._offer = Offer(hired.ready.functions, contracts)
        elif contracts != self.contracts:
            indexes = {contract.name: index for index, contract in enumerate(contracts)}
            self.note("warning", "the source changed on disk since it was loaded", worker.pid)
        self._failures, self.last_fault = 0, None
        worker.become_ready(hired.ready, indexes)
        self.pool.add(worker)
        for old, reason in list(self._renewing.items()):
            self.let_go(old, reason)
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
        if self.on_first_ready is not None:
            tell, self.on_first_ready = self.on_first_ready, None
            tell(contracts)
        self.ensure()

    def _failed(self, fault: Fault) -> None:
        self._failures += 1
        self.last_fault = fault
        self._retry_at = self.pool.clock.monotonic() + backoff_s(self._failures)
        self._renewing.clear()
        self.note("error", fault.detail)
        if not self.crew_size:
            self.pool.fail_waiting(fault)
            if self._first is not None and not self._first.done():
                self._first.set_exception(fault)
        self.ensure()

    def _ensure_soon(self) -> None:
        """Look once for all that happens in this turn of the loop, after the calls themselves have been sent."""
        if not self._soon and not self._stopping:
            self._soon = True
            self.pool.loop.call_soon(self._ensure_now)

    def _ensure_now(self) -> None:
        self._soon = False
        self.ensure()

    def _try_again(self) -> None:
        self._retry = None
        self.ensure()

    # Ends

    async def _watch(self, hired: Hired) -> None:
        """Wait for a worker's process to end, and clear up after it."""
        worker = hired.worker
        ended = await hired.process.wait()
        worker.exited(ended)
        self.pool.explain(worker)
        last_words = hired.last_words()
        hired.close()
        del self._hired[worker]
        if self.pool.options.single_use:
            self._ensure_soon()
        if hired.stillborn and not self._stopping:
            self._failed(StartFailed(f"{self.source.name} ended with {ended} right after its start{last_words}"))

    def _begin_to_stop(self) -> None:
        self._stopping = True
        self._upkeep.stop()
        self._exhaustion.end()
        for timer in (self._retry, self._check):
            if timer is not None:
                timer.cancel()
        self._retry = self._check = None
        self.pool.close()
        for task in self._hiring:
            task.cancel()
        if self._first is not None and not self._first.done():
            self._first.set_exception(Draining(f"{self.pool.source} is stopping"))

    def _task(self, group: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.pool.loop.create_task(work)
        group.add(task)
        task.add_done_callback(group.discard)
        return task
