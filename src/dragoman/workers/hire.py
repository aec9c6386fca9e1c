"""From a launch to a worker that is ready: start the process, shake hands, or say why it did not work."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.core.fault import StartFailed
from dragoman.workers.output import OutputPipe
from dragoman.workers.progress import Progress
from dragoman.workers.worker import Worker

if TYPE_CHECKING:
    from dragoman.core.event import Log
    from dragoman.sandbox.confinement import Confinement, Process
    from dragoman.wire.handshake import Ready
    from dragoman.workers.pool import Pool
    from dragoman.workers.source import Journal, SourceLaunch

SOCKET_BYTES = 1024 * 1024
"""Buffer asked for on the wire: a body of 1 MB then crosses in few turns; the kernel grants what it allows."""


class Hired:
    """A worker with its process's pipes, from start to burial."""

    def __init__(self, pool: Pool, source: SourceLaunch, journal: Journal, process: Process, worker: Worker) -> None:
        self.worker = worker
        self.process = process
        self._source = source
        self._journal = journal
        loop, clock = pool.loop, pool.clock
        self.stdout = OutputPipe(process.stdout_fd, "stdout", loop, clock, self._print)
        self.stderr = OutputPipe(process.stderr_fd, "stderr", loop, clock, self._print)

    def _print(self, line: Log) -> None:
        flying = list(self.worker.in_flight.values())
        call = flying[0].call if flying else None
        self._journal.event(self._source.name, self.process.pid, call, line)

    def read_rest(self) -> None:
        """Take what the worker printed last."""
        self.stdout.read()
        self.stderr.read()

    def close(self) -> None:
        """Let go of the pipes."""
        self.read_rest()
        self.stdout.close()
        self.stderr.close()


async def hire(pool: Pool, source: SourceLaunch, confinement: Confinement, journal: Journal) -> tuple[Hired, Ready]:
    """Start a worker and wait until it is ready. Raises `StartFailed`, with everything of it gone."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
    progress = Progress()
    try:
        launch = replace(source.launch, fds={"DRAGOMAN_PROGRESS_FD": progress.fd})
        process = await confinement.start(launch, theirs.fileno())
    except OSError as error:
        ours.close()
        progress.close()
        message = f"{source.name} cannot be started: {error}"
        raise StartFailed(message) from error
    finally:
        theirs.close()
    worker = Worker(pool, process, ours, progress)
    hired = Hired(pool, source, journal, process, worker)
    try:
        ready = await _shake_hands(pool, source, worker, hired)
    except BaseException:
        worker.condemn("it did not start")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 1.0)
        hired.close()
        raise
    return hired, ready


async def _shake_hands(pool: Pool, source: SourceLaunch, worker: Worker, hired: Hired) -> Ready:
    timeout_s = pool.options.start_timeout_s
    handshake = worker.rare.greet(source.hello)
    exited = asyncio.ensure_future(worker.process.wait())
    try:
        await asyncio.wait((handshake, exited), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if handshake.done():
            return handshake.result()
        hired.read_rest()
        why = (
            f"ended with {exited.result()}"
            if exited.done()
            else f"was not ready within its start_timeout of {timeout_s:g}s"
        )
        message = f"{source.name} {why} before it could take calls{last_words(hired)}"
        raise StartFailed(message)
    finally:
        exited.cancel()
        handshake.cancel()


def last_words(hired: Hired) -> str:
    """The end of what the worker printed, for a fault's detail."""
    tail = (hired.stderr.tail or hired.stdout.tail)[-1024:].decode("utf-8", "replace").strip()
    return f"; it printed last: {tail}" if tail else ""
