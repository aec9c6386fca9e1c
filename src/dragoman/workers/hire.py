"""From a launch to a worker that is ready: start the process, shake hands, or say why it did not work."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.contract.manifest import from_wire
from dragoman.core.fault import StartFailed
from dragoman.workers.output import OutputPipe
from dragoman.workers.progress import Progress
from dragoman.workers.worker import Worker

if TYPE_CHECKING:
    from dragoman.contract.function import Contract
    from dragoman.core.event import Log
    from dragoman.sandbox.confinement import Confinement, Process
    from dragoman.wire.handshake import Ready
    from dragoman.workers.pool import Pool
    from dragoman.workers.source import SourceLaunch

SOCKET_BYTES = 1024 * 1024
"""Buffer asked for on the wire: a body of 1 MB then crosses in few turns; the kernel grants what it allows."""
BURIAL_S = 1.0
"""How long a start that failed may take to be cleaned away before its caller is told."""
LAST_WORDS_CHARS_MAX = 1024


class Hired:
    """A worker with its process's pipes, from start to burial, and what it offers once it is ready."""

    def __init__(self, pool: Pool, process: Process, worker: Worker) -> None:
        self.worker = worker
        self.process = process
        self.ready: Ready
        self.contracts: tuple[Contract, ...] = ()
        self.overdue: asyncio.TimerHandle | None = None
        self.stillborn = False
        self._pool = pool
        self.stdout = OutputPipe(process.stdout_fd, "stdout", pool.loop, pool.clock, self._print)
        self.stderr = OutputPipe(process.stderr_fd, "stderr", pool.loop, pool.clock, self._print)

    def _print(self, line: Log) -> None:
        """Log what C code and child processes print: as its call's, where only one can be meant."""
        flying = self.worker.in_flight.values()
        alone = len(flying) == 1 or self._pool.options.concurrency == 1
        call = next(iter(flying)).call if flying and alone else None
        self._pool.heard(self.worker, call, line)

    def close(self) -> None:
        """Take what was printed last, and let go of the pipes."""
        if self.overdue is not None:
            self.overdue.cancel()
        self.stdout.close()
        self.stderr.close()

    def last_words(self) -> str:
        """The end of what the worker printed, for a fault's detail."""
        self.stdout.read()
        self.stderr.read()
        tail = (self.stderr.tail or self.stdout.tail).decode("utf-8", "replace").strip()
        tail = tail or "\n".join(self.worker.rare.said)
        return f"; it printed last: {tail[-LAST_WORDS_CHARS_MAX:]}" if tail else ""


async def hire(pool: Pool, source: SourceLaunch, confinement: Confinement) -> Hired:
    """Start a worker and wait until it is ready. Raises `StartFailed`, with everything of it gone."""
    try:
        hired = await _start(pool, source, confinement)
    except (OSError, ValueError) as error:
        message = f"{source.name} cannot be started: {error}"
        raise StartFailed(message) from error
    try:
        hired.ready = await _shake_hands(pool, source, hired)
        hired.contracts = tuple(from_wire(list(hired.ready.functions)))
    except BaseException as error:
        hired.worker.condemn("it did not start")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hired.process.wait(), BURIAL_S)
        hired.close()
        if isinstance(error, ValueError):
            message = f"{source.name} offers functions that cannot be served: {error}"
            raise StartFailed(message) from error
        raise
    return hired


async def _start(pool: Pool, source: SourceLaunch, confinement: Confinement) -> Hired:
    ours, theirs = socket.socketpair()
    progress: Progress | None = None
    try:
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
            progress = Progress()
            launch = replace(source.launch, fds={"DRAGOMAN_PROGRESS_FD": progress.fd})
            process = await confinement.start(launch, theirs.fileno())
    except BaseException:
        ours.close()
        if progress is not None:
            progress.close()
        raise
    return Hired(pool, process, Worker(pool, process, ours, progress))


async def _shake_hands(pool: Pool, source: SourceLaunch, hired: Hired) -> Ready:
    timeout_s = pool.options.start_timeout_s
    worker = hired.worker
    handshake = worker.rare.greet(source.hello)
    exited = asyncio.ensure_future(worker.process.wait())
    try:
        await asyncio.wait((handshake, exited), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if exited.done():
            worker.channel.read()  # what it said last may explain its end
        if handshake.done():
            return handshake.result()
        if exited.done():
            why = f"ended with {exited.result()} before it could take calls"
        else:
            why = f"was not ready within its start_timeout of {timeout_s:g}s"
        raise StartFailed(f"{source.name} {why}{hired.last_words()}")
    finally:
        exited.cancel()
        if not handshake.cancel() and not handshake.cancelled():
            handshake.exception()  # seen
