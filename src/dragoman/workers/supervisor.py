"""Keeps a pool staffed: starts workers, adds some under load, lets idle ones go, replaces the dead and the old.

A source that cannot start is asked again with growing pauses; meanwhile its callers are told why at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from dragoman.contract.manifest import from_wire
from dragoman.core.fault import Fault, StartFailed
from dragoman.workers.hire import Hired, hire
from dragoman.workers.lifecycle import State
from dragoman.workers.scaling import WAIT_S, YOUNG_S, backoff_s, growth
from dragoman.workers.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from dragoman.contract.function import Contract
    from dragoman.sandbox.confinement import Confinement
    from dragoman.wire.handshake import Ready
    from dragoman.workers.pool import Pool
    from dragoman.workers.source import Journal, SourceLaunch
    from dragoman.workers.worker import Worker

POLL_S = 0.01


class Supervisor:
    """Hires, watches and buries the workers of one pool."""

    def __init__(self, pool: Pool, source: SourceLaunch, confinement: Confinement, journal: Journal) -> None:
        self.pool = pool
        self.source = source
        self.contracts: tuple[Contract, ...] = ()
        self.starts = 0
        self.restarts = 0
        self.starting = 0
        self._confinement = confinement
        self._journal = journal
        self._hired: dict[Worker, Hired] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0
        self.last_fault: Fault | None = None
        self.on_first_ready: Callable[[tuple[Contract, ...]], None] | None = None
        self._retry_at = 0.0
        self._check: asyncio.TimerHandle | None = None
        self._stopping = False
        self._upkeep = Upkeep(self)
        pool.crew = self

    async def start(self) -> tuple[Contract, ...]:
        """Start the first workers and learn what they offer. Raises `StartFailed`; another try follows by itself."""
        self._upkeep.start()
        first = asyncio.ensure_future(self._hire())
        others = [self._spawn() for _ in range(self.pool.options.workers_min - 1)]
        await first
        if self.last_fault is not None and not self.pool.workers:
            raise self.last_fault
        await asyncio.gather(*others)
        return self.contracts

    async def stop(self, timeout_s: float | None = None) -> None:
        """Let calls in flight finish for up to `timeout_s`, then end every worker, and wait until they are gone."""
        loop, pool = self.pool.loop, self.pool
        deadline = pool.clock.monotonic() + (pool.options.drain_timeout_s if timeout_s is None else timeout_s)
        while not pool.idle and pool.clock.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
        self._stopping = True
        self._upkeep.stop()
        pool.close()
        for lease in list(pool.leases):
            lease.reclaim()
        for worker in list(pool.workers):
            pool.release(worker)
        for task in self._tasks:
            task.cancel()
        graves = [loop.create_task(self._bury(worker)) for worker in list(self._hired)]
        if graves:
            await asyncio.wait(graves)

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

    # What the pool says

    def wanted(self) -> None:
        """Calls wait: look in a moment whether they still do."""
        if self._check is None and not self._stopping:
            self._check = self.pool.loop.call_later(WAIT_S, self._consider)

    def refusal(self) -> Fault | None:
        """Why there is no worker, while none can be started."""
        fault = self.last_fault
        if fault is None or self.starting:
            return None
        wait_s = self._retry_at - self.pool.clock.monotonic()
        return StartFailed(fault.detail, retry_after_s=max(wait_s, 0.0)) if wait_s > 0 else None

    def buried(self, worker: Worker) -> None:
        """Note a death, and replace the dead unless it was let go."""
        if worker not in self._hired:
            return
        self._task(self._bury(worker))
        if self._stopping or worker.state is State.DRAINING:
            return
        age_s = self.pool.clock.monotonic() - worker.started_at
        if age_s < YOUNG_S and not worker.calls:
            self._failed(StartFailed(f"{self.source.name}: a worker died right after its start"))
        self.ensure()

    def ensure(self) -> None:
        """Start workers until there are enough."""
        missing = self.pool.options.workers_min - self.crew_size
        if not missing and len(self.pool.line) and not self.crew_size:
            missing = 1
        for _ in range(max(missing, 0)):
            self.restarts += 1
            self._spawn()

    def let_go(self, worker: Worker, reason: str) -> None:
        """Have a worker finish what it has and leave; another takes its place where that is needed."""
        self._journal.note("info", f"worker retired: {reason}", self.source.name, worker.pid)
        self.pool.release(worker)
        self._task(self._see_out(worker))
        self.ensure()

    def _consider(self) -> None:
        self._check = None
        pool = self.pool
        head_at = pool.line.head_arrived_at()
        if head_at is None or self._stopping:
            return
        if pool.clock.monotonic() - head_at >= WAIT_S and not self.starting and self.refusal() is None:
            for _ in range(growth(pool.options, len(pool.workers) + len(pool.leases), len(pool.line))):
                self._spawn()
        self.wanted()

    # Hiring

    def _spawn(self) -> asyncio.Task[None]:
        return self._task(self._hire())

    async def _hire(self) -> None:
        self.starting += 1
        self.starts += 1
        try:
            wait_s = self._retry_at - self.pool.clock.monotonic()
            if self._failures and wait_s > 0:
                self.starting -= 1
                try:
                    await asyncio.sleep(wait_s)
                finally:
                    self.starting += 1
            hired, ready = await hire(self.pool, self.source, self._confinement, self._journal)
        except Fault as fault:
            self._failed(fault)
        else:
            self._hired[hired.worker] = hired
            self._welcome(hired.worker, ready)
        finally:
            self.starting -= 1
        if not self.pool.workers and not self._stopping and self.last_fault is not None and not self.starting:
            self.pool.fail_waiting(self.last_fault)
            self._spawn()

    def _welcome(self, worker: Worker, ready: Ready) -> None:
        try:
            contracts = from_wire(list(ready.functions))
        except ValueError as error:
            worker.condemn(f"its manifest is wrong: {error}")
            self._failed(StartFailed(f"{self.source.name}: {error}"))
            return
        indexes = None
        if not self.contracts:
            self.contracts = contracts
        elif contracts != self.contracts:
            indexes = {contract.name: index for index, contract in enumerate(contracts)}
            self._journal.note(
                "warning", "the source changed on disk since it was loaded", self.source.name, worker.pid
            )
        self._failures, self.last_fault = 0, None
        worker.become_ready(ready, indexes)
        self.pool.add(worker)
        if self.on_first_ready is not None:
            tell, self.on_first_ready = self.on_first_ready, None
            tell(contracts)

    def _failed(self, fault: Fault) -> None:
        self._failures += 1
        self.last_fault = fault
        self._retry_at = self.pool.clock.monotonic() + backoff_s(self._failures)
        self._journal.note("error", fault.detail, self.source.name, 0)

    # Ends

    async def _see_out(self, worker: Worker) -> None:
        pool = self.pool
        deadline = pool.clock.monotonic() + pool.options.drain_timeout_s
        while worker.state is not State.GONE and pool.clock.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
        if worker.state is not State.GONE:
            worker.condemn("it did not finish in time when it was let go")

    async def _bury(self, worker: Worker) -> None:
        hired = self._hired.get(worker)
        if hired is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(worker.process.wait())), 0.5)
        worker.condemn("it did not exit")
        await worker.process.wait()
        if self._hired.pop(worker, None) is not None:
            hired.close()

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.pool.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
