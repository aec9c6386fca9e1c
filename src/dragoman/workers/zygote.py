"""One zygote as its host sees it: a worker that takes no calls, and what forks workers from it.

It has a `Worker` of its own, for its wire and its end, and is that one's owner; its children are the pool's.
"""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Launch
from dragoman.sandbox.forking import ForkConfinement
from dragoman.workers.hire import Hired, hire
from dragoman.workers.lifecycle import State
from dragoman.workers.source import SourceLaunch, at_once

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.core.event import Event
    from dragoman.sandbox.confinement import Confinement
    from dragoman.workers.exchange import Exchange
    from dragoman.workers.pool import Pool
    from dragoman.workers.worker import Worker

ORDERS_VARIABLE = "DRAGOMAN_ZYGOTE_FD"
LEAVE_S = 0.5
"""How long a zygote without children may take to run its exit handlers; then it is killed."""


class Zygote:
    """A process that has the source loaded, and forks workers. `gone` is true once it and its children have ended."""

    def __init__(self, pool: Pool, source: SourceLaunch) -> None:
        self.loop = pool.loop
        self.clock = pool.clock
        self.options = pool.options
        self.route = pool.route
        self.gone = False
        self.retiring = False
        self.forking: ForkConfinement
        self.hired: Hired
        self._pool = pool
        self._source = source

    async def start(self, confinement: Confinement) -> None:
        """Start the process, and have it load the source. Raises `StartFailed`, with everything of it gone."""
        assert self._source.zygote is not None
        launch = await self._source.zygote()
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise StartFailed(f"{self._source.name} cannot be started: {error}") from error
        self.forking = ForkConfinement(ours)
        try:
            with theirs:
                launch = replace(launch, fds={ORDERS_VARIABLE: theirs.fileno()})
                source = SourceLaunch(self._source.name, at_once(launch), self._source.hello)
                self.hired = await hire(self, source, confinement)
        except BaseException:
            self.forking.lost()
            raise
        self.hired.worker.become_ready(self.hired.ready, None)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.hired.worker.pid

    @property
    def usable(self) -> bool:
        """Whether it may be ordered to fork."""
        return not (self.gone or self.retiring or self.forking.broken)

    @property
    def age_s(self) -> float:
        """Seconds since its start."""
        return self.clock.monotonic() - self.hired.worker.started_at

    def resident_bytes(self) -> int:
        """Resident memory of the process alone, its children's own left out; 0 when it is gone."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as statm:  # noqa: PTH123 - one line of a file of the kernel's
                return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return 0

    async def fork(self) -> Hired:
        """A worker that is a fork of it. Raises `StartFailed`."""
        source = SourceLaunch(self._source.name, at_once(Launch()), self._source.hello)
        return await hire(self._pool, source, self.forking, parent=self.hired)

    async def watch(self) -> None:
        """Wait until it has ended, and all its children with it; then clear up."""
        hired = self.hired
        ended = await hired.process.wait()
        self.gone = True
        hired.worker.exited(ended)
        self.forking.lost()
        hired.close()

    def retire(self) -> None:
        """Order nothing more of it; it ends when its children have."""
        self.retiring = True

    def dismiss(self) -> None:
        """Have it end now that it has no children: by itself, else by force."""
        worker = self.hired.worker
        if worker.state is State.READY:
            worker.drain()
            self.loop.call_later(LEAVE_S, self.kill, "it did not end when it was told to")

    def kill(self, reason: str) -> None:
        """Kill it, and everything below it."""
        if not self.gone:
            self.forking.broken = True
            self.hired.worker.condemn(reason)

    # What its worker says

    def heard(self, worker: Worker, call: Call | None, event: Event) -> None:
        """Pass on what the import printed."""
        self._pool.heard(worker, call, event)

    def leaving(self, worker: Worker) -> None:
        """Nothing: a zygote does not ask."""

    def answered(self, worker: Worker) -> None:
        """Nothing: it has no calls."""

    def returned(self, exchange: Exchange) -> None:
        """Nothing: it has no calls."""

    def lost(self, worker: Worker, begun: list[Exchange], unstarted: list[Exchange]) -> None:  # noqa: ARG002 - the port's
        """Its wire is closed: it ends, or user code has closed it."""
        self.forking.broken = True
        self.loop.call_later(LEAVE_S, worker.process.kill)
