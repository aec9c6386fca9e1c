"""What a pool needs once a second: idle workers let go, old and fat ones renewed, silent ones found out."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.workers.nursery import Nursery
    from dragoman.workers.pool import Pool
    from dragoman.workers.worker import Worker

TICK_S = 1.0
PING_S = 10.0
"""An idle worker is asked whether it still lives this often."""
PONG_S = 5.0
"""And has this long to say so: a stopped or wedged process is found before a call is."""


class Crew(Protocol):
    """The supervisor, as far as upkeep needs it."""

    pool: Pool

    @property
    def nursery(self) -> Nursery | None:
        """Where its workers are forked, if they are."""
        ...

    def ensure(self) -> None:
        """Start workers where there are too few."""
        ...

    def let_go(self, worker: Worker, reason: str) -> None:
        """Retire a worker; a successor comes where one is needed."""
        ...

    def renew(self, worker: Worker, reason: str) -> None:
        """Retire a worker once its successor is ready."""
        ...


class Upkeep:
    """The once-a-second look at every worker of a pool."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        if self._task is None:
            self._task = self._crew.pool.loop.create_task(self._run())

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            pool = self._crew.pool
            now = pool.clock.monotonic()
            for lease in list(pool.leases):
                worker = lease.worker
                if now - lease.used_at > TICK_S or (worker is not None and self._overdue(worker, now)):
                    lease.reclaim()
            for worker in list(pool.workers):
                self.look_at(worker)
            if pool.options.recycle_memory_bytes and not self._forked:
                await self._weigh()
            if self._crew.nursery is not None:
                self._crew.nursery.look_after()
            self._crew.ensure()

    def look_at(self, worker: Worker) -> None:
        """Decide about one worker."""
        pool = self._crew.pool
        options, now = pool.options, pool.clock.monotonic()
        idle_s = now - worker.idle_since
        if reason := self._overdue(worker, now):
            self._crew.renew(worker, reason)
        elif worker.in_flight:
            # Its deadline watches a busy worker: one that holds its interpreter may be unable to answer a ping.
            worker.rare.excuse(now)
        elif idle_s >= options.idle_s and len(pool.workers) > options.workers_min:
            self._crew.let_go(worker, f"it was idle for {idle_s:.0f}s")
        elif worker.rare.silent_s(now) > PONG_S:
            worker.condemn("it no longer answers")
        elif idle_s >= PING_S:
            worker.rare.ping(now, PING_S)
            if not worker.connection.lent:
                worker.segments.trim()

    def _overdue(self, worker: Worker, now: float) -> str:
        """Why a worker is due to be renewed; empty where it is not."""
        options = self._crew.pool.options
        if self._forked:  # the zygote is what may grow and age
            return ""
        age_s = now - worker.started_at
        if options.recycle_age_s and age_s >= options.recycle_age_s:
            return f"it is {age_s:.0f}s old"
        if options.recycle_memory_bytes and worker.resident_bytes >= options.recycle_memory_bytes:
            return f"it uses {worker.resident_bytes // 1024 // 1024} MB"
        return ""

    @property
    def _forked(self) -> bool:
        """Whether each worker is a fork for one call."""
        return self._crew.pool.options.single_use and self._crew.nursery is not None

    async def _weigh(self) -> None:
        """Measure every worker, in a thread: finding a worker's children reads all of `/proc`."""
        pool = self._crew.pool
        for worker in (*pool.workers, *(lease.worker for lease in pool.leases if lease.worker is not None)):
            worker.resident_bytes = await asyncio.to_thread(resident_bytes, worker.pid)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its children, in bytes; 0 when it is gone."""
    import psutil  # noqa: PLC0415 - 6 ms of a start, for what most pools never ask

    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total


def proportional_bytes(pids: Iterable[int]) -> int:
    """Memory of processes and all below them, in bytes; a page that several share is counted in proportion."""
    import psutil  # noqa: PLC0415 - as above

    family: dict[int, psutil.Process] = {}
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            family |= {member.pid: member for member in (process, *process.children(recursive=True))}
    total = 0
    for member in family.values():
        with contextlib.suppress(psutil.Error):  # gone, or of another user
            total += member.memory_full_info().pss
    return total


def processor_s(pid: int) -> float:
    """Processor time that a process has used, in seconds; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123 - one line of a file of the kernel's
            fields = stat.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime of proc(5)
    except (OSError, ValueError, IndexError):
        return 0.0
