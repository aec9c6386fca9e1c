"""From a launch to a worker that is ready: start the process, shake hands, or say why it did not work."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.contract.function import ContractError
from dragoman.contract.manifest import from_wire
from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Limits
from dragoman.wire.handshake import FEATURE_CHECKS
from dragoman.workers.doorway import Doorway
from dragoman.workers.output import OutputPipe
from dragoman.workers.progress import Progress
from dragoman.workers.segments import Segments
from dragoman.workers.worker import Worker

if TYPE_CHECKING:
    from dragoman.contract.function import Contract
    from dragoman.core.event import Log
    from dragoman.sandbox.confinement import Confinement, Exit, Launch, Process
    from dragoman.wire.handshake import Ready
    from dragoman.workers.source import SourceLaunch
    from dragoman.workers.worker import Owner

SOCKET_BYTES = 1024 * 1024
"""Buffer asked for on the wire: a body of 1 MB then crosses in few turns; the kernel grants what it allows."""
BURIAL_S = 1.0
"""How long a start that failed may take to be cleaned away before its caller is told."""
LAST_WORDS_CHARS_MAX = 1024


class Offer(NamedTuple):
    """What a worker has offered: in the words of its READY, and as they were read."""

    functions: tuple[dict[str, Any], ...]
    contracts: tuple[Contract, ...]


class Hired:
    """A worker with its process's pipes, from start to burial, and what it offers once it is ready."""

    def __init__(self, pool: Owner, process: Process, worker: Worker) -> None:
        self.worker = worker
        self.process = process
        self.ready: Ready
        self.contracts: tuple[Contract, ...] = ()
        self.limits = Limits()
        self.overdue: asyncio.TimerHandle | None = None
        self.stillborn = False
        self._pool = pool
        self.stdout = OutputPipe(process.stdout_fd, "stdout", pool.loop, pool.clock, self._print)
        self.stderr = OutputPipe(process.stderr_fd, "stderr", pool.loop, pool.clock, self._print)

    def meet(self, sock: socket.socket) -> None:
        """Go on with another socket, on which nothing has been said yet."""
        self.worker.channel.close()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        self.worker = Worker(self._pool, self.process, sock, self.worker.progress, self.worker.segments)

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


async def hire(
    pool: Owner,
    source: SourceLaunch,
    confinement: Confinement,
    *,
    parent: Hired | None = None,
    known: Offer | None = None,
) -> Hired:
    """Start a worker and wait until it is ready. Raises `StartFailed`, with everything of it gone.

    `parent` is what it is a fork of: that one has said what both offer. `known` is what one before it has offered:
    the same is not read and checked again.
    """
    launch = await source.launch()
    door: Doorway | None = None
    try:
        door = None if launch.wired else Doorway()
        hired = await _start(pool, launch, confinement, door, source.hello.limits.frame_bytes_max)
    except (OSError, ValueError) as error:
        if door is not None:
            door.close()
        message = f"{source.name} cannot be started: {error}{hint(error)}"
        raise StartFailed(message) from error
    hired.limits = launch.limits
    try:
        hired.ready = await _shake_hands(pool, source, hired, door)
        if parent is not None:
            hired.contracts, hired.limits = parent.contracts, parent.limits
            return hired
        if known is not None and hired.ready.functions == known.functions:
            hired.contracts = known.contracts
            return hired
        hired.contracts = tuple(from_wire(list(hired.ready.functions)))
        if FEATURE_CHECKS not in hired.ready.features:
            _check_schemas(hired.contracts)
    except BaseException as error:
        hired.worker.condemn("it did not start")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BURIAL_S):
                await hired.process.wait()
        hired.close()
        if isinstance(error, ValueError):
            message = f"{source.name} offers functions that cannot be served: {error}"
            raise StartFailed(message) from error
        raise
    finally:
        if door is not None:
            door.close()
    return hired


def _check_schemas(contracts: tuple[Contract, ...]) -> None:
    """Refuse what is no schema, of workers whose input the host checks. Raises `ValueError`."""
    from dragoman.contract.check import Checker  # noqa: PLC0415 - 11 ms of a start, which Python alone does without

    for contract in contracts:
        for key, schema in (("input", contract.input), ("output", contract.output)):
            try:
                Checker(schema)
            except ContractError as error:
                message = f"{contract.name!r}, {key!r}: {error}"
                raise ValueError(message) from error


async def _start(
    pool: Owner, launch: Launch, confinement: Confinement, door: Doorway | None, frame_bytes_max: int
) -> Hired:
    ours, theirs = socket.socketpair()
    progress: Progress | None = None
    segments: Segments | None = None
    try:
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        progress = Progress()
        segments = Segments(frame_bytes_max)
        env = launch.env if door is None else {**launch.env, **door.variables}
        launch = replace(launch, env=env, fds={**launch.fds, "DRAGOMAN_PROGRESS_FD": progress.fd, **segments.fds})
        process = await confinement.start(launch, theirs.fileno() if door is None else None)
    except BaseException:
        ours.close()
        theirs.close()
        for shared in (progress, segments):
            if shared is not None:
                shared.close()
        raise
    if door is None:
        theirs.close()
    else:
        door.keep(theirs)  # the worker comes by another way: until then this one must not look lost
    return Hired(pool, process, Worker(pool, process, ours, progress, segments))


async def _shake_hands(pool: Owner, source: SourceLaunch, hired: Hired, door: Doorway | None) -> Ready:
    timeout_s = pool.options.start_timeout_s
    deadline = pool.loop.time() + timeout_s
    exited = asyncio.ensure_future(hired.process.wait())
    try:
        ready = await _greeted(source, hired, door, (exited, deadline))
        if ready is not None:
            return ready
        if broken := hired.worker.stopping_reason:
            why = f"was ended before it could take calls: {broken}"
        elif exited.done():
            why = f"ended with {exited.result()} before it could take calls"
        else:
            why = f"was not ready within its start_timeout of {timeout_s:g}s"
        raise StartFailed(f"{source.name} {why}{hired.last_words()}")
    except OSError as error:
        raise StartFailed(f"{source.name} cannot be started: {error}{hint(error)}") from error
    finally:
        exited.cancel()


async def _greeted(
    source: SourceLaunch, hired: Hired, door: Doorway | None, limits: tuple[asyncio.Future[Exit], float]
) -> Ready | None:
    """READY of the worker, over its own socket or the first at the door with its token; None where it does not come."""
    exited, deadline = limits
    now = asyncio.get_running_loop().time
    while True:
        if door is not None:
            coming = asyncio.ensure_future(door.caller(os.geteuid()))
            if not await _first(coming, exited, deadline - now()):
                return None
            hired.meet(coming.result())
        handshake = hired.worker.rare.greet(source.hello)
        if not await _first(handshake, exited, deadline - now(), hired.worker):
            return None
        ready = handshake.result()
        if door is None or door.opens_for(ready.token):
            return ready
        hired.worker.channel.close()


async def _first(
    wanted: asyncio.Future[Any], exited: asyncio.Future[Exit], timeout_s: float, worker: Worker | None = None
) -> bool:
    """Wait for what is wanted; false where the process ended before, or time was up. What it said last still counts."""
    try:
        await asyncio.wait((wanted, exited), timeout=max(timeout_s, 0), return_when=asyncio.FIRST_COMPLETED)
        if exited.done() and worker is not None:
            worker.channel.read()
        return wanted.done()
    finally:
        if not wanted.cancel() and not wanted.cancelled():
            wanted.exception()  # seen


def hint(error: Exception) -> str:
    """What to do about a start that the system refused, where this process can know."""
    if isinstance(error, OSError) and error.errno == errno.EMFILE and "ulimit" not in str(error):
        return ": allow this process more of them (ulimit -n 1024, or LimitNOFILE=1024 of a systemd unit)"
    return ""
