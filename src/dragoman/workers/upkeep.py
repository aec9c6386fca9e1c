"""What a pool needs once a second: idle workers let go, old and fat ones renewed, silent ones found out."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

import psutil

if TYPE_CHECKING:
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

    def let_go(self, worker: Worker, reason: str) -> None:
        """Retire a worker; a successor comes where one is needed."""
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
                if now - lease.used_at > TICK_S or pool.closed:
                    lease.reclaim()
            for worker in list(self._crew.pool.workers):
                self.look_at(worker)

    def look_at(self, worker: Worker) -> None:
        """Decide about one worker."""
        pool = self._crew.pool
        options, now = pool.options, pool.clock.monotonic()
        age_s, idle_s = now - worker.started_at, now - worker.idle_since
        if options.recycle_calls and worker.calls >= options.recycle_calls:
            self._crew.let_go(worker, f"it has run {worker.calls} calls")
        elif options.recycle_age_s and age_s >= options.recycle_age_s:
            self._crew.let_go(worker, f"it is {age_s:.0f}s old")
        elif options.recycle_memory_bytes and (used := resident_bytes(worker.pid)) >= options.recycle_memory_bytes:
            self._crew.let_go(worker, f"it uses {used // 1024 // 1024} MB")
        elif worker.in_flight:
            # Its deadline watches a busy worker: one that holds its interpreter may be unable to answer a ping.
            worker.rare.excuse()
        elif idle_s >= options.idle_s and len(pool.workers) > options.workers_min:
            self._crew.let_go(worker, f"it was idle for {idle_s:.0f}s")
        elif worker.rare.silent_s(now) > PONG_S:
            worker.condemn("it no longer answers")
        elif idle_s >= PING_S:
            worker.rare.ping(now, PING_S)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its children, in bytes; 0 when it is gone."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return process.memory_info().rss + sum(_rss(child) for child in process.children(recursive=True))
    return 0


def _rss(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return process.memory_info().rss
    return 0
