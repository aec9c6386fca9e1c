"""A worker lent to a thread outside the loop, which then talks to it without any hand-over.

A blocking caller that went through the loop's thread would pay for two more wake-ups, as much as the whole call. So an
idle worker's socket is taken off the loop, and the thread writes and reads it itself. Whatever is not the plain answer
to its call (a deadline, a call that the function makes, a death) it leaves to the loop: the worker is given back with
the call in flight, and goes on as any other.
"""

from __future__ import annotations

import math
import socket
import struct
import threading
from typing import TYPE_CHECKING

from dragoman.core.call import Codec, Reply
from dragoman.core.deadline import NEVER
from dragoman.core.service import Pending
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.frame import Frame, Kind
from dragoman.wire.report import load_event, load_fault
from dragoman.workers.exchange import Exchange

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.workers.pool import Pool
    from dragoman.workers.worker import Worker

READ_BYTES = 64 * 1024
READ_BYTES_MAX = 1024 * 1024
"""One read of a large body takes as much as the socket's buffer may hold."""
BOUND_SLACK_S = 0.001
"""Timeouts that differ by less share one: the kernel's clock wakes the reader, the loop's decides."""
_TIMEVAL = struct.Struct("@ll")
CODECS = tuple(Codec)


class Lease:
    """One worker in the hands of one thread at a time. `lock` is held while it is used."""

    def __init__(self, pool: Pool, worker: Worker) -> None:
        """Take the worker off the loop; runs there."""
        self.pool = pool
        self.worker: Worker | None = worker
        self.lock = threading.Lock()
        self.used_at = pool.clock.monotonic()
        self._sock = worker.channel.sock
        self._timeout_s = -1.0
        worker.channel.pause()
        self._sock.setblocking(True)

    def reclaim(self) -> bool:
        """Put the worker back on the loop unless its thread is using it; runs on the loop."""
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
        if not self.lock.acquire(blocking=False):
            return None
        try:
            worker = self.worker
            return None if worker is None else self._run(worker, call)
        finally:
            self.lock.release()

    def _run(self, worker: Worker, call: Call) -> Pending:
        connection, sock = worker.connection, self._sock
        now = self.pool.clock.monotonic()
        call.dispatched_at = self.used_at = now
        header = worker.call_header(call, now)
        try:
            self._bound(call.deadline, now)
            self._send(header, call.body)
            data = sock.recv(READ_BYTES)
            answer = connection.receive_end(call.id, data)
            if answer is None:
                return self._read_on(worker, call, data)
            codec, amount, body = answer
            pending = Pending()
            pending.reply = Reply(body, CODECS[codec], None, now - call.arrived_at, amount * 1e-6)
            return pending
        except BlockingIOError:
            return self._leave(worker, call, [])
        except ProtocolFault as error:
            return self._leave(worker, call, error.frames, broken=str(error))
        except OSError:
            return self._leave(worker, call, [], gone=True)

    def _read_on(self, worker: Worker, call: Call, data: bytes) -> Pending:
        """Go on where the first read was not just the answer: it is longer, or something came before it."""
        connection, sock = worker.connection, self._sock
        while data:
            frames = connection.receive(data)
            for position, frame in enumerate(frames):
                if frame.call == call.id:
                    pending = self._answer(worker, call, frame)
                    if pending is not None:
                        return pending
                    if frame.kind == Kind.EVENT:
                        continue
                return self._leave(worker, call, frames[position:])
            self._bound(call.deadline, self.pool.clock.monotonic())
            data = sock.recv(READ_BYTES if connection.missing_bytes < READ_BYTES else READ_BYTES_MAX)
        return self._leave(worker, call, [], gone=True)

    def _answer(self, worker: Worker, call: Call, frame: Frame) -> Pending | None:
        """The settled answer that a frame is; `None` where it is something else. Events are passed on."""
        if frame.kind == Kind.END and not call.target.streaming:
            pending = Pending()
            queue_s = call.dispatched_at - call.arrived_at
            pending.resolve(Reply(frame.body, CODECS[frame.codec], None, queue_s, frame.amount * 1e-6))
            return pending
        if frame.kind == Kind.FAULT and not frame.flags:
            fault = load_fault(frame.body)
            fault.function = call.target.name
            fault.remote = False
            return Pending.failed(fault)
        if frame.kind == Kind.EVENT and (event := load_event(frame.body)) is not None:
            self.pool.loop.call_soon_threadsafe(self.pool.heard, worker, call, event)
        return None

    def _send(self, header: bytes, body: bytes) -> None:
        if len(body) <= READ_BYTES:
            self._sock.sendall(header + body)
        else:
            sent = self._sock.sendmsg((header, body))
            if sent < len(header):
                self._sock.sendall(header[sent:])
                sent = len(header)
            self._sock.sendall(memoryview(body)[sent - len(header) :])

    def _bound(self, deadline: float, now: float) -> None:
        """Have reads end at the deadline: a timeout of the kernel's, set only where it changes."""
        left_s = 0.0 if deadline == NEVER else max(deadline - now, 0.001)
        if abs(left_s - self._timeout_s) > BOUND_SLACK_S or left_s < BOUND_SLACK_S:
            self._timeout_s = left_s
            seconds = int(left_s)
            microseconds = math.ceil((left_s - seconds) * 1e6)
            self._sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(seconds, min(microseconds, 999_999))
            )

    def _leave(
        self, worker: Worker, call: Call, frames: list[Frame], *, gone: bool = False, broken: str = ""
    ) -> Pending:
        """Give the worker back with the call in flight, and wait for the loop to settle it."""
        self.worker = None
        exchange = Exchange(call, self.pool)
        settled = threading.Event()
        exchange.then(lambda _: settled.set())

        def carry_on() -> None:
            self.pool.adopt(self, worker, exchange)
            worker.take(frames)
            if broken:
                worker.condemn(f"it broke the protocol: {broken}")
            elif gone:
                worker.end()

        self.pool.loop.call_soon_threadsafe(carry_on)
        settled.wait()
        return exchange
