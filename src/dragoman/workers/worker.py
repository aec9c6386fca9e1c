"""One worker as its host sees it: which calls it has, what it says about them, and how it ends.

The frames of a call come in on the loop and settle its `Exchange` right there. Everything rare (events, calls that
the guest makes, the end) is handed to the worker's `Owner`, the pool.

A worker of fast functions gets calls ahead of time, so that it need not wait for the host between two of them; it
gives back the ones that it has not begun when it turns out slow, and the shared page says which they are when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

from dragoman.core.call import Codec, Reply
from dragoman.core.deadline import remaining_ms
from dragoman.core.fault import Fault
from dragoman.wire.connection import Connection
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.frame import Flag, Frame, Kind
from dragoman.wire.report import load_fault
from dragoman.wire.state import Role
from dragoman.workers.channel import Channel
from dragoman.workers.lifecycle import State, step
from dragoman.workers.rare import RareFrames, meta_of
from dragoman.workers.stream import ReplyStream

if TYPE_CHECKING:
    import socket

    from dragoman.core.call import Call
    from dragoman.core.clock import Clock
    from dragoman.core.event import Event
    from dragoman.sandbox.confinement import Process
    from dragoman.wire.handshake import Ready
    from dragoman.workers.exchange import Exchange
    from dragoman.workers.options import PoolOptions
    from dragoman.workers.outbound import Router
    from dragoman.workers.progress import Progress

AHEAD_US = 500.0
"""Calls are sent ahead of time only up to this much work: more would wait here while another worker is free."""
AHEAD_MAX = 64
"""And never more than this many, whatever they take: about what one read of 64 KB brings in."""
SMOOTHING = 0.125
"""Weight of the newest run time in the moving average, as in TCP's round-trip estimator (RFC 6298)."""
EPITAPH_S = 0.25
"""How long callers of a worker that died wait to hear its exit code."""

CODECS = tuple(Codec)
"""Codecs by their number on the wire."""
_END, _ITEM, _FAULT = int(Kind.END), int(Kind.ITEM), int(Kind.FAULT)


class Owner(Protocol):
    """Who a worker belongs to."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    options: PoolOptions
    route: Router

    def heard(self, worker: Worker, call: Call | None, event: Event) -> None:
        """A call, or the worker itself, said something."""
        ...

    def leaving(self, worker: Worker) -> None:
        """The worker asks for no more calls."""
        ...

    def answered(self, worker: Worker) -> None:
        """Calls of this worker have ended; it may take others."""
        ...

    def returned(self, exchange: Exchange) -> None:
        """The worker gave back a call that it had not begun."""
        ...

    def lost(self, worker: Worker, begun: list[Exchange], unstarted: list[Exchange]) -> None:
        """The worker is gone; these calls were in flight in it."""
        ...


class Worker:
    """A process that runs calls."""

    def __init__(self, owner: Owner, process: Process, sock: socket.socket, progress: Progress) -> None:
        self.owner = owner
        self.process = process
        self.progress = progress
        self.state = State.STARTING
        self.connection = Connection(Role.HOST)
        self.channel = Channel(sock, owner.loop, self.receive, self.end)
        self.in_flight: dict[int, Exchange] = {}
        self.window = owner.options.concurrency
        self.calls = 0
        self.answers = 0
        self.started_at = owner.clock.monotonic()
        self.idle_since = self.started_at
        self.stopping_reason = ""
        self.send = self.channel.send
        self.rare = RareFrames(self, owner.route)
        self._run_us = AHEAD_US
        self._goes_ahead = False
        self._revoking: set[int] = set()
        self._indexes: dict[str, int] | None = None

    @property
    def pid(self) -> int:
        """The process id of the worker itself."""
        return self.process.pid

    def become_ready(self, ready: Ready, indexes: dict[str, int] | None) -> None:
        """Take calls from now on. `indexes` maps names where this worker's manifest differs from the pool's."""
        self.state = step(self.state, State.READY)
        self._goes_ahead = self.owner.options.concurrency == 1 and {"progress", "revoke"} <= set(ready.features)
        self._indexes = indexes

    def dispatch(self, exchange: Exchange) -> None:
        """Send the exchange's call to the worker."""
        call = exchange.call
        now = self.owner.clock.monotonic()
        call.dispatched_at = now
        exchange.worker = self
        exchange.dispatches += 1
        idle = not self.in_flight
        self.in_flight[call.id] = exchange
        self.channel.send(self.call_header(call, now), call.body)
        if idle:
            self.channel.flush()

    def call_header(self, call: Call, now: float) -> bytes:
        """The header of a CALL, which is thereby begun on the wire; its body must follow."""
        target = call.target
        self.calls += 1
        index = target.index if self._indexes is None else self._indexes[target.function]
        head = self.connection.stream_header if target.streaming else self.connection.call_header
        return head(
            call.id,
            index,
            call.codec | call.reply_codec << 4,
            len(call.body),
            remaining_ms(call.deadline, now),
            meta_of(call) if call.trace is not None or call.depth else b"",
        )

    def receive(self, data: bytes) -> None:
        """Take bytes off the wire."""
        try:
            frames = self.connection.receive(data)
        except ProtocolFault as error:
            self.take(error.frames)
            self.condemn(f"it broke the protocol: {error}")
            return
        self.take(frames)
        if answers := self.connection.answers():
            self.channel.send(answers)
        if self.state is not State.GONE:
            self.owner.answered(self)

    def take(self, frames: list[Frame]) -> None:
        """Act on frames that the connection has accepted."""
        in_flight = self.in_flight
        run_us = self._run_us
        for frame in frames:
            kind = frame.kind
            if kind == _END:
                exchange = in_flight.pop(frame.call)
                run_us += (frame.amount - run_us) * SMOOTHING
                call = exchange.call
                if call.target.streaming:
                    self._stream_of(exchange).end()
                    exchange.unwatch()
                else:
                    queue_s = call.dispatched_at - call.arrived_at
                    exchange.resolve(Reply(frame.body, CODECS[frame.codec], None, queue_s, frame.amount * 1e-6))
            elif kind == _ITEM:
                self._stream_of(in_flight[frame.call]).push(frame.body)
            elif kind == _FAULT and frame.call:
                self._faulted(frame)
            else:
                self.rare.take(frame)
        self._run_us = run_us
        self.answers += len(frames)
        if self._goes_ahead:
            self.window = 1 + min(int(AHEAD_US / (run_us + 1.0)), AHEAD_MAX - 1)

    def heard(self, call_id: int, event: Event) -> None:
        """Pass on what a call said."""
        exchange = self.in_flight.get(call_id)
        self.owner.heard(self, None if exchange is None else exchange.call, event)

    def leaving(self) -> None:
        """Be let go: the guest asked for it."""
        self.owner.leaving(self)

    def has_begun(self, call_id: int) -> bool:
        """Whether the function of a call in flight has been entered; True where the worker cannot tell."""
        if not self._goes_ahead:
            return True
        last = self.progress.last_started()
        if last not in self.in_flight:
            return False
        for flying in self.in_flight:
            if flying == call_id:
                return True
            if flying == last:
                return False
        return False

    def revoke_unstarted(self) -> None:
        """Ask for every call back that has not begun."""
        for call_id, exchange in self.in_flight.items():
            if not exchange.done and not self.has_begun(call_id):
                self._revoke(call_id)

    def give_up(self, exchange: Exchange, fault: Fault) -> None:
        """Answer an exchange in flight with a fault now, and have the worker stop it: by request, then by force."""
        call_id = exchange.call.id
        begun = self.has_begun(call_id)
        exchange.conclude(fault)
        if begun:
            self.channel.send(self.connection.cancel(call_id))
        else:
            self._revoke(call_id)
        self.channel.flush()
        self.owner.loop.call_later(self.owner.options.cancel_grace_s, self._enforce, exchange, begun)

    def _revoke(self, call_id: int) -> None:
        if call_id not in self._revoking:
            self._revoking.add(call_id)
            self.channel.send(self.connection.cancel(call_id, unstarted=True))

    def _enforce(self, exchange: Exchange, cancelled: bool) -> None:
        call_id = exchange.call.id
        if self.state is State.GONE or self.in_flight.get(call_id) is not exchange:
            return
        if cancelled:
            self.condemn(f"{exchange.call.target.name} did not stop when it was told to")
            return
        # It was asked back before it began, and may have begun since: then it must be cancelled after all.
        begun = self.has_begun(call_id)
        if begun:
            self.channel.send(self.connection.cancel(call_id))
        self.owner.loop.call_later(self.owner.options.cancel_grace_s, self._enforce, exchange, begun)

    def slow_down(self) -> None:
        """Send nothing ahead until it has proved quick again, and ask back what was sent but not begun."""
        self._run_us = AHEAD_US
        self.window = self.owner.options.concurrency
        self.revoke_unstarted()

    async def epitaph(self) -> str:
        """Why the worker is gone, in words; waits a little for its exit to be known."""
        if not self.stopping_reason:
            with contextlib.suppress(TimeoutError):
                ended = await asyncio.wait_for(self.process.wait(), EPITAPH_S)
                self.stopping_reason = str(ended)
        return self.stopping_reason or "it closed its connection"

    def drain(self) -> None:
        """Take no more calls; the process ends when those in flight have."""
        if self.state is State.READY:
            self.state = step(self.state, State.DRAINING)
            self.channel.send(self.connection.drain())

    def condemn(self, reason: str) -> None:
        """Kill the worker and all that it started, for a reason that its callers will read."""
        self.stopping_reason = self.stopping_reason or reason
        self.process.kill()
        self.end()

    def end(self) -> None:
        """The wire is closed: nothing more will come. Harmless when repeated."""
        if self.state is State.GONE:
            return
        live = [exchange for exchange in self.in_flight.values() if not exchange.over]
        begun = [exchange for exchange in live if self.has_begun(exchange.call.id)]
        unstarted = [exchange for exchange in live if exchange not in begun]
        self.state = step(self.state, State.GONE)
        self.in_flight.clear()
        self.channel.close()
        self.rare.close()
        self.progress.close()
        self.owner.lost(self, begun, unstarted)

    def _faulted(self, frame: Frame) -> None:
        exchange = self.in_flight.pop(frame.call)
        self._revoking.discard(frame.call)
        if frame.flags & Flag.UNSTARTED:
            if not exchange.done:
                self.owner.returned(exchange)
            return
        try:
            fault = load_fault(frame.body)
        except ProtocolFault as error:
            fault = Fault.internal(f"the worker sent a fault that cannot be read: {error}")
        fault.function = exchange.call.target.name
        fault.remote = False
        exchange.conclude(fault)

    def _stream_of(self, exchange: Exchange) -> ReplyStream:
        if exchange.stream is None:
            call = exchange.call

            def grant(count: int) -> None:
                if self.in_flight.get(call.id) is exchange:
                    self.channel.send(self.connection.consumed(call.id, count))

            exchange.stream = ReplyStream(grant, exchange.cancel)
            queue_s = call.dispatched_at - call.arrived_at
            exchange.resolve(Reply(b"", call.reply_codec, exchange.stream, queue_s))
        return exchange.stream
