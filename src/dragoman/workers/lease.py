"""A worker lent to a thread outside the loop, which then talks to it without any hand-over.

A blocking caller that went through the loop's thread would pay for two more wake-ups, as much as the whole call. So an
idle worker's socket is taken off the loop, and the thread writes and reads it itself. Whatever is not the plain answer
to its call (a deadline, a call that the function makes, a death) it leaves to the loop: the worker is given back with
the call in flight, and goes on as any other.
"""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import threading
from typing import TYPE_CHECKING, Protocol

from dragoman.core.call import Codec, Reply
from dragoman.core.deadline import NEVER
from dragoman.core.fault import Fault
from dragoman.core.service import Pending
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.frame import Frame, Kind
from dragoman.wire.report import load_event, load_fault
from dragoman.wire.state import IllegalTransition
from dragoman.workers.crossing import tell_loop, wait_for_loop
from dragoman.workers.exchange import Exchange, Stopper

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from dragoman.core.call import Call
    from dragoman.core.clock import Clock
    from dragoman.core.event import Event
    from dragoman.workers.worker import Worker

READ_BYTES = 64 * 1024
READ_BYTES_MAX = 1024 * 1024
"""One read of a large body takes as much as the socket's buffer may hold."""
EARLY_S = 0.010
"""The kernel's timeouts are up to two ticks (8 ms) late, the loop's are exact: the loop has the call back in time."""
LEFT_S_MIN = 2 * EARLY_S
"""A call that has less time than this is the loop's from the start."""
BOUND_SLACK_S = 0.001
"""Timeouts that differ by less share one."""
_TIMEVAL = struct.Struct("@ll")
CODECS = tuple(Codec)


class Lender(Stopper, Protocol):
    """The pool that lends a worker."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    leases: list[Lease]

    @property
    def recycle_calls(self) -> float:
        """How many calls a worker may run before it is renewed; infinite where that is off."""
        ...

    def take_back(self, lease: Lease, worker: Worker, exchange: Exchange | None = None, /) -> None:
        """Take a lent worker back on the loop, with the call that is in flight in it, if any."""
        ...

    def heard(self, worker: Worker, call: Call | None, event: Event, /) -> None:
        """A call said something."""
        ...


class Lease:
    """One worker in the hands of one thread at a time. `lock` is held while it is used.

    `wanted` asks whoever uses it to give it back after the call: others wait for the worker, or it is due to leave.
    """

    def __init__(self, pool: Lender, worker: Worker) -> None:
        """Take the worker off the loop; runs there."""
        self.pool = pool
        self.worker: Worker | None = worker
        self.lock = threading.Lock()
        self.wanted = False
        self.used_at = pool.clock.monotonic()
        self._sock = worker.channel.sock
        self._timeout_s = -1.0
        worker.lent = True
        worker.channel.pause()
        self._sock.setblocking(True)  # noqa: FBT003 - the standard library's signature

    def reclaim(self) -> bool:
        """Put the worker back on the loop; false where its thread is using it, and will give it back. On the loop."""
        self.wanted = True
        if not self.lock.acquire(blocking=False):
            return False
        try:
            worker, self.worker = self.worker, None
        finally:
            self.lock.release()
        if worker is not None:
            self.pool.take_back(self, worker)
        return True

    def call(self, call: Call) -> Pending | None:
        """Run a call in this thread, which blocks; `None` where the worker is not to be had, and nothing was done."""
        # Who is asked to give it back must not take it again first: a loop of calls would starve all others.
        if self.wanted or not self.lock.acquire(blocking=False):
            return None
        try:
            worker = self.worker
            return None if worker is None else self._begin(worker, call)
        finally:
            self.lock.release()
            if self.wanted:
                tell_loop(self.pool.loop, self.reclaim)

    def _begin(self, worker: Worker, call: Call) -> Pending | None:
        now = self.pool.clock.monotonic()
        if call.deadline - now < LEFT_S_MIN or call.input is not None or call.ordeal is not None:
            return None
        try:
            header, body = worker.begin_call(call, now)
        except Fault as fault:
            return Pending.failed(fault)
        except IllegalTransition:
            self.wanted = True
            return None
        call.dispatched_at = self.used_at = now
        if worker.calls >= self.pool.recycle_calls:
            self.wanted = True
        return self._run(worker, call, header, body)

    def _run(self, worker: Worker, call: Call, header: bytes, body: bytes | memoryview) -> Pending:
        now = call.dispatched_at
        sent = False
        try:
            self._bound(call.deadline, now)
            if worker.segments.freed:
                self._sock.sendall(worker.segments.release(worker.connection))
            rest = self._send(header, body, call.deadline)
            sent = True
            if rest:
                return self._leave(worker, call, rest=rest)
            data = self._sock.recv(READ_BYTES)
            answer = worker.connection.receive_end(call.id, data)
            if answer is None:
                return self._read_on(worker, call, data)
        except OSError:
            # Out of time, or the worker is gone: the loop knows what to do about either.
            return self._leave(worker, call)
        except BaseException:
            self._abandon(worker, call, sent=sent)
            raise
        codec, amount, body = answer
        pending = Pending()
        pending.reply = Reply(body, CODECS[codec], None, now - call.arrived_at, amount * 1e-6)
        return pending

    def _read_on(self, worker: Worker, call: Call, data: bytes) -> Pending:
        """Go on where the first read was not just the answer: it is longer, or something else came with it."""
        connection, sock = worker.connection, self._sock
        while data:
            try:
                frames = connection.receive(data)
                if connection.borrowed:
                    frames = worker.segments.mapped(frames)
            except ProtocolFault as error:
                return self._leave(worker, call, error.frames, broken=error)
            if answers := connection.answers():
                sock.sendall(answers)
            for position, frame in enumerate(frames):
                if frame.call == call.id and frame.kind == Kind.EVENT:
                    self._pass_on(worker, call, frame)
                    continue
                pending = self._answer(call, frame) if frame.call == call.id else None
                if pending is None:
                    return self._leave(worker, call, frames[position:])
                if position + 1 < len(frames):
                    self._give_back(worker, frames[position + 1 :])
                return pending
            self._bound(call.deadline, self.pool.clock.monotonic())
            data = sock.recv(READ_BYTES if connection.missing_bytes < READ_BYTES else READ_BYTES_MAX)
        return self._leave(worker, call)

    def _answer(self, call: Call, frame: Frame) -> Pending | None:
        """The settled answer that a frame is; `None` where it is something else."""
        if frame.kind == Kind.END:
            pending = Pending()
            queue_s = call.dispatched_at - call.arrived_at
            pending.reply = Reply(frame.body, CODECS[frame.codec], None, queue_s, frame.amount * 1e-6)
            return pending
        if frame.kind == Kind.FAULT and not frame.flags:
            try:
                fault = load_fault(frame.body)
            except ProtocolFault:
                return None  # the loop ends the worker for it
            fault.function = call.target.name
            fault.remote = False
            return Pending.failed(fault)
        return None

    def _pass_on(self, worker: Worker, call: Call, frame: Frame) -> None:
        """Tell what the call says, on the loop; what cannot be read is dropped here."""
        with contextlib.suppress(ProtocolFault):
            event = load_event(frame.body)
            if event is not None:
                tell_loop(self.pool.loop, lambda: self.pool.heard(worker, call, event))

    def _send(self, header: bytes, body: bytes | memoryview, deadline: float) -> bytes | memoryview:
        """Send a call; what the worker did not take in time is returned."""
        if len(body) <= READ_BYTES:
            data = header + body
            sent = self._sock.send(data)
            if sent == len(data):
                return b""
            rest = memoryview(data)[sent:]
        else:
            sent = self._sock.sendmsg((header, body))
            rest = memoryview(body)[sent - len(header) :] if sent >= len(header) else memoryview(header + body)[sent:]
        while rest and self.pool.clock.monotonic() < deadline - EARLY_S:
            try:
                rest = rest[self._sock.send(rest) :]
            except BlockingIOError:
                break
        return rest

    def _bound(self, deadline: float, now: float) -> None:
        """Have the kernel end reads and writes a little before the deadline; told only where that changes."""
        left_s = 0.0 if deadline == NEVER else max(deadline - now - EARLY_S, BOUND_SLACK_S)
        if abs(left_s - self._timeout_s) > BOUND_SLACK_S:
            self._timeout_s = left_s
            seconds = int(left_s)
            microseconds = min(math.ceil((left_s - seconds) * 1e6), 999_999)
            timeout = _TIMEVAL.pack(seconds, microseconds)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)

    # Back to the loop

    def _leave(
        self,
        worker: Worker,
        call: Call,
        frames: list[Frame] | None = None,
        *,
        rest: bytes | memoryview = b"",
        broken: ProtocolFault | None = None,
    ) -> Pending:
        """Give the worker back with the call in flight, and wait for the loop to settle it."""
        exchange = Exchange(call, self.pool)
        settled = threading.Event()

        def carry_on() -> None:
            exchange.then(lambda _: settled.set())
            if rest:
                worker.channel.send(rest)
            self.pool.take_back(self, worker, exchange)
            worker.accept(frames or [], broken)

        self._on_loop(carry_on)
        try:
            wait_for_loop(settled, self.pool.loop)
        except BaseException:
            self._on_loop(exchange.cancel)
            raise
        return exchange

    def _give_back(self, worker: Worker, frames: list[Frame]) -> None:
        """Give the worker back with frames that came after the answer."""

        def carry_on() -> None:
            self.pool.take_back(self, worker)
            worker.accept(frames)

        self._on_loop(carry_on)

    def _abandon(self, worker: Worker, call: Call, *, sent: bool) -> None:
        """The thread was interrupted: have the loop stop the call. Half a frame on the wire cannot be taken back."""
        exchange = Exchange(call, self.pool)

        def carry_on() -> None:
            if self not in self.pool.leases:  # it was interrupted after it had given the worker back
                return
            self.pool.take_back(self, worker, exchange)
            if sent:
                exchange.cancel()
            else:
                worker.condemn("its caller was interrupted while it sent a call")

        self._on_loop(carry_on)

    def _on_loop(self, act: Callable[[], object]) -> None:
        """Have the loop take over; the worker is no longer this thread's."""
        tell_loop(self.pool.loop, act)
        self.worker = None
