"""The other side of a worker's wire, played by a test: a real socket, the real protocol, no process."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from dragoman.core.call import Call, Codec
from dragoman.core.clock import SystemClock
from dragoman.core.deadline import NEVER
from dragoman.core.fault import Fault
from dragoman.core.ordeal import Ordeal
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.sandbox.confinement import Exit
from dragoman.testing import RecordingJournal
from dragoman.wire.connection import Connection
from dragoman.wire.frame import Frame, Kind
from dragoman.wire.handshake import Hello, Ready
from dragoman.wire.report import load_fault
from dragoman.wire.state import Role
from dragoman.workers.options import PoolOptions
from dragoman.workers.outbound import GuestCall
from dragoman.workers.pool import Pool
from dragoman.workers.progress import Progress
from dragoman.workers.segments import Segments
from dragoman.workers.worker import Worker

PATIENCE_S = 10.0
IDS = count(1).__next__
OPTIONS = PoolOptions(cancel_grace_s=0.02, drain_timeout_s=2.0, idle_s=60.0)


async def until(condition: Callable[[], object], what: str = "it") -> None:
    """Let the loop run until a condition holds."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"{what} did not come"
        await asyncio.sleep(0.001)


def make_call(
    function: str = "f", body: bytes = b"{}", *, timeout_s: float = NEVER, streaming: bool = False, index: int = 0
) -> Call:
    now = SystemClock().monotonic()
    target = Target(f"s.{function}", "s", function, index, 5.0, streaming=streaming)
    return Call(target, body, Codec.JSON, Codec.JSON, id=IDS(), deadline=now + timeout_s, arrived_at=now)


class Child:
    """A `Process` that ends when it is killed, or when the test says so."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.killed = False
        self.on_kill: Callable[[], None] = lambda: None
        (self.stdout_fd, self.stdout), (self.stderr_fd, self.stderr) = os.pipe(), os.pipe()
        self._ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

    async def wait(self) -> Exit:
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        self.killed = True
        self.exit(-9)

    def exit(self, status: int) -> None:
        if not self._ended.done():
            self._ended.set_result(Exit(status))
            self.on_kill()


class Crew:
    """A supervisor's port, as a pool sees it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.wants = 0
        self.full = True
        self.fault: Fault | None = None
        self.dead: list[Worker] = []
        self.gone: list[str] = []
        self.inspected: list[Worker] = []
        self.ordeals: list[Ordeal] = []
        self.used: list[tuple[Worker, int]] = []

    def wanted(self) -> None:
        self.wants += 1

    def refusal(self) -> Fault | None:
        return self.fault

    def buried(self, worker: Worker) -> None:
        self.dead.append(worker)

    def let_go(self, worker: Worker, reason: str) -> None:
        if not worker.retired:
            self.gone.append(reason)
            self.pool.release(worker)

    def inspect(self, worker: Worker) -> None:
        self.inspected.append(worker)

    def exhaust(self, ordeal: Ordeal) -> None:
        self.ordeals.append(ordeal)

    def spent(self, worker: Worker) -> None:
        self.used.append((worker, len(worker.in_flight)))


class Shop:
    """A pool whose workers are `Peer`s."""

    def __init__(self, options: PoolOptions = OPTIONS, **changed: Any) -> None:
        self.journal = RecordingJournal()
        self.asked: list[GuestCall] = []
        self.answers: list[Pending] = []
        options = replace(options, **changed)
        self.pool = Pool("s", options, asyncio.get_running_loop(), SystemClock(), self._route, self.journal)
        self.crew = Crew(self.pool)
        self.pool.crew = self.crew
        self.peers: list[Peer] = []

    def _route(self, call: GuestCall) -> Pending:
        self.asked.append(call)
        self.answers.append(Pending())
        return self.answers[-1]

    async def hire(self, *features: str, indexes: dict[str, int] | None = None) -> Peer:
        """One more worker, ready; by default one that takes calls ahead of time."""
        peer = Peer(self.pool, 100 + len(self.peers))
        self.peers.append(peer)
        await peer.greet(features or ("progress", "revoke"))
        assert peer.connection.said_ready is not None
        peer.worker.become_ready(peer.connection.said_ready, indexes)
        self.pool.add(peer.worker)
        return peer

    def close(self) -> None:
        self.pool.close()
        for peer in self.peers:
            peer.close()
        self.pool.forget()


class Peer:
    """The guest's side of one worker, and the worker."""

    def __init__(self, pool: Pool, pid: int = 100) -> None:
        ours, self.sock = socket.socketpair()
        self.sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self.child = Child(pid)
        self.child.on_kill = self.hang_up
        self.progress = Progress()
        self.page = os.dup(self.progress.fd)
        self.worker = Worker(pool, self.child, ours, self.progress, Segments(0))
        self.connection = Connection(Role.GUEST)
        self.frames: list[Frame] = []
        self.taken: list[Frame] = []
        self._open = True

    def hang_up(self) -> None:
        if self._open:
            self._open = False
            self.sock.close()

    def close(self) -> None:
        self.hang_up()
        self.worker.end()
        os.close(self.page)
        for fd in (self.child.stdout, self.child.stderr, self.child.stdout_fd, self.child.stderr_fd):
            os.close(fd)

    async def greet(self, features: tuple[str, ...]) -> Ready:
        handshake = self.worker.rare.greet(Hello("test/0"))
        await self.next(Kind.HELLO)
        self.send(self.connection.ready(Ready("test", features=features)))
        return await handshake

    def send(self, *data: bytes) -> None:
        """Send bytes to the host."""
        self.sock.setblocking(True)  # noqa: FBT003 - the standard library's signature
        self.sock.sendall(b"".join(data))
        self.sock.setblocking(False)  # noqa: FBT003 - the standard library's signature

    def read(self) -> list[Frame]:
        """Take what the host has sent, without waiting."""
        try:
            while data := self.sock.recv(1 << 20):
                frames = self.connection.receive(data)
                self.frames += frames
                self.taken += frames
        except BlockingIOError:
            pass
        return self.frames

    async def next(self, *kinds: Kind) -> Frame:
        """The next frame of one of these kinds; others before it are let pass."""
        while True:
            await until(self.read, f"one of {[kind.name for kind in kinds]}")
            frame = self.frames.pop(0)
            if frame.kind in kinds:
                return frame

    async def call(self) -> Frame:
        """The next CALL."""
        return await self.next(Kind.CALL)

    def begin(self, call: Frame | Call) -> None:
        """Say on the page that the function of a call was entered."""
        os.pwrite(self.page, (call.call if isinstance(call, Frame) else call.id).to_bytes(8, "little"), 0)

    def answer(self, frame: Frame, body: bytes = b"1", run_us: int = 10) -> None:
        """END."""
        self.begin(frame)
        self.send(self.connection.end(frame.call, 1, body, run_us))

    def fail(self, frame: Frame, fault: Fault, *, unstarted: bool = False) -> None:
        """FAULT."""
        self.send(self.connection.fault(frame.call, fault, unstarted=unstarted))

    def fault_of(self, frame: Frame) -> Fault:
        return load_fault(frame.body)


async def answer_of(pending: Pending) -> Any:
    """The body of a reply, or the fault, once there is one."""
    try:
        reply = await asyncio.wait_for(wait(pending), PATIENCE_S)
    except Fault as fault:
        return fault
    return reply.body if reply.items is None else reply.items


async def wait(pending: Pending) -> Any:
    return await pending
