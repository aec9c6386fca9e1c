"""One worker as its host sees it: which calls it has, what it says about them, and how it ends.

The frames of a call come in on the loop and settle its `Exchange` right there. Everything rare (events, calls that
the guest makes, the end) is handed to the worker's `Owner`, the pool.

A worker of fast functions gets calls ahead of time, so that it need not wait for the host between two of them; it
gives back the ones that it has not begun when it turns out slow, and the shared page says which they are when it dies.
"""

from __future__ import annotations

import contextlib
from itertools import islice
from typing import TYPE_CHECKING, Protocol, cast

from dragoman.core.call import Codec, Reply
from dragoman.core.deadline import remaining_ms
from dragoman.core.draft import whole
from dragoman.core.fault import Fault, InvalidArgument, NotFound, Started, Unimplemented
from dragoman.wire.connection import Connection
from dragoman.wire.fault import Oversized, ProtocolFault
from dragoman.wire.frame import Flag, Frame, Kind
from dragoman.wire.report import load_fault
from dragoman.wire.state import IllegalTransition, Role
from dragoman.workers.channel import Channel
from dragoman.workers.feeding import Feeder
from dragoman.workers.lifecycle import State, step
from dragoman.workers.ordeal import suffer
from dragoman.workers.rare import RareFrames, meta_of
from dragoman.workers.stream import ReplyStream

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Collection

    from dragoman.core.call import Call
    from dragoman.core.clock import Clock
    from dragoman.core.event import Event
    from dragoman.core.target import Target
    from dragoman.sandbox.confinement import Exit, Process
    from dragoman.wire.handshake import Ready
    from dragoman.workers.exchange import Exchange
    from dragoman.workers.options import PoolOptions
    from dragoman.workers.outbound import Router
    from dragoman.workers.progress import Progress
    from dragoman.workers.segments import Segments

AHEAD_US = 500.0
"""Calls are sent ahead of time only up to this much work: more would wait here while another worker is free."""
AHEAD_MAX = 64
"""And never more than this many, whatever they take: about what one read of 64 KB brings in."""
SMOOTHING = 0.125
"""Weight of the newest run time in the moving average, as in TCP's round-trip estimator (RFC 6298)."""
WIRE_LOST = 74
"""Exit code of a guest that has lost its wire (EX_IOERR of sysexits.h)."""
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

    def __init__(
        self, owner: Owner, process: Process, sock: socket.socket, progress: Progress, segments: Segments
    ) -> None:
        self.owner = owner
        self.process = process
        self.progress = progress
        self.segments = segments
        self.state = State.STARTING
        self.connection = Connection(Role.HOST, arena_bytes=segments.size)
        self.channel = Channel(sock, owner.loop, self.receive, self.end)
        self.in_flight: dict[int, Exchange] = {}
        self.feeders: dict[int, Feeder] = {}
        self.window = owner.options.concurrency
        self.calls = 0
        self.started_at = owner.clock.monotonic()
        self.idle_since = self.started_at
        self.lent = False
        self.retired = False
        self.useful = False
        self.resident_bytes = 0
        self.stopping_reason = ""
        self.rare = RareFrames(self, owner.route)
        self._run_us = AHEAD_US
        self._goes_ahead = False
        self._reached = 0
        self._newest = 0
        self._indexes: dict[str, int] | None = None

    @property
    def pid(self) -> int:
        """The process id of the worker itself."""
        return self.process.pid

    @property
    def lendable(self) -> bool:
        """Whether nothing at all is in progress between the worker and the loop."""
        return self.state is State.READY and not self.in_flight and self.channel.idle and self.rare.idle

    def become_ready(self, ready: Ready, indexes: dict[str, int] | None) -> None:
        """Take calls from now on. `indexes` maps names where this worker's manifest differs from the pool's."""
        self.state = step(self.state, State.READY)
        self._goes_ahead = {"progress", "revoke"} <= set(ready.features)
        self._indexes = indexes
        if self.connection.segments:
            self.segments.least = self.connection.limits.segment_from_bytes
            self.segments.on_freed = self._region_freed
        else:
            self.segments.close()

    def dispatch(self, exchange: Exchange) -> None:
        """Send the exchange's call to the worker. One that cannot be sent gets its fault."""
        call = exchange.call
        now = self.owner.clock.monotonic()
        try:
            header, body = self.begin_call(call, now)
        except Fault as fault:
            exchange.fail(fault)
            return
        except IllegalTransition:
            # It has just asked to leave, in a frame that was read with the one being dealt with now.
            self.owner.leaving(self)
            self.owner.returned(exchange)
            return
        call.dispatched_at = now
        exchange.worker = self
        idle, channel = not self.in_flight, self.channel
        self.keep(exchange)
        if call.ordeal is not None:
            header, body = suffer(self, call, header, body)
        if idle and call.input is None:
            channel.hand(header, body)
            return
        channel.send(header, body)
        if call.input is not None:
            self.feeders[call.id] = Feeder(self, exchange, call.input, self.owner.loop)
        if idle:
            channel.flush()

    def _count(self, call: Call) -> None:
        self.calls += 1
        self._newest = max(self._newest, call.id)

    def keep(self, exchange: Exchange) -> None:
        """Have the call in flight that was begun on the wire last."""
        exchange.number = self.calls
        self.in_flight[exchange.call.id] = exchange

    def begin_call(self, call: Call, now: float) -> tuple[bytes, bytes | memoryview]:
        """The header of a CALL, which is thereby begun on the wire, and the body that must follow it.

        Raises the `Fault` of a call that cannot be sent, and `IllegalTransition` where the worker takes no more.
        """
        target, body = call.target, call.body
        index = target.index if self._indexes is None else self._index_of(target)
        if call.input is not None:
            body = call.body = whole(body)
            return self._input_header(call, index, now, body), body
        codecs = call.codec | call.reply_codec << 4
        amount = remaining_ms(call.deadline, now)
        entries = meta_of(call) if call.trace is not None or call.depth or call.public_id or call.merged else b""
        try:
            if len(body) >= self.segments.least and (region := self.segments.place(self.connection, body)) is not None:
                flags = Flag.SEGMENT | Flag.STREAM if target.streaming else Flag.SEGMENT
                frame = Frame(Kind.CALL, flags, codecs, index, call.id, amount, entries, region.pack())
                header, body = self.connection.flagged_header(frame), frame.body
            else:
                head = self.connection.stream_header if target.streaming else self.connection.call_header
                body = whole(body)
                header = head(call.id, index, codecs, len(body), amount, entries)
        except Oversized as error:
            raise _too_large(target, error) from None
        self._count(call)
        return header, body

    def _input_header(self, call: Call, index: int, now: float, body: bytes | memoryview) -> bytes:
        """The header of a CALL whose input stream follows."""
        target = call.target
        if not target.input_stream:
            detail = f"{target.name} takes no input stream: send its whole input"
            raise Unimplemented(detail, started=Started.NO, function=target.name)
        flags = Flag.INPUT | Flag.STREAM if target.streaming else Flag.INPUT
        codecs, left_ms = call.codec | call.reply_codec << 4, remaining_ms(call.deadline, now)
        frame = Frame(Kind.CALL, flags, codecs, index, call.id, left_ms, meta_of(call), cast("bytes", body))
        try:
            header = self.connection.flagged_header(frame)
        except Oversized as error:
            raise _too_large(target, error) from None
        self._count(call)
        return header

    def _region_freed(self) -> None:
        # In any thread, at any time. A loop that has ended has no worker left that could use the region.
        with contextlib.suppress(RuntimeError):
            self.owner.loop.call_soon_threadsafe(self.give_back)

    def give_back(self) -> None:
        """Release on the loop what is free, unless a borrower has the worker: it does so itself."""
        if self.segments.freed and not self.lent and self.state is not State.GONE:
            self.channel.send(self.segments.release(self.connection))

    def receive(self, data: bytes) -> None:
        """Take bytes off the wire."""
        if len(self.in_flight) != 1 or not self._take_lone(data):
            broken: ProtocolFault | None = None
            try:
                frames = self.connection.receive(data)
            except ProtocolFault as error:
                frames, broken = error.frames, error
            self.accept(frames, broken)
        if self.state is not State.GONE:
            self.owner.answered(self)

    def _take_lone(self, data: bytes) -> bool:
        """Take the answer of the only call in flight, where `data` is that and nothing else."""
        (call_id,) = self.in_flight
        end = self.connection.receive_end(call_id, data)
        if end is None:
            return False
        codec, run_us, body = end
        exchange = self.in_flight.pop(call_id)
        self._reached = max(self._reached, exchange.number)
        self._run_us += (run_us - self._run_us) * SMOOTHING
        call = exchange.call
        exchange.resolve(Reply(body, CODECS[codec], None, call.dispatched_at - call.arrived_at, run_us * 1e-6))
        self._look_ahead()
        return True

    def _look_ahead(self) -> None:
        """Have as many calls sent ahead as are little work."""
        if self._goes_ahead:
            self.window = max(self.owner.options.concurrency, min(1 + int(AHEAD_US / (self._run_us + 1.0)), AHEAD_MAX))

    def accept(self, frames: list[Frame], broken: ProtocolFault | None = None) -> None:
        """Act on frames that the connection has accepted, the last ones where it is broken."""
        try:
            self._take(self.segments.mapped(frames) if self.connection.borrowed else frames)
        except ProtocolFault as error:
            broken = broken or error
        if broken is not None:
            self.condemn(f"it broke the protocol: {broken}")
        elif answers := self.connection.answers():
            self.channel.send(answers)

    def _take(self, frames: list[Frame]) -> None:
        # A frame of a call that is not in flight: the worker was given up over one that came before it.
        in_flight = self.in_flight
        run_us, reached = self._run_us, self._reached
        for frame in frames:
            kind = frame.kind
            if kind == _END:
                exchange = in_flight.pop(frame.call, None)
                if exchange is None:
                    self.rare.take(frame)
                    continue
                run_us += (frame.amount - run_us) * SMOOTHING
                reached = max(reached, exchange.number)
                call = exchange.call
                if call.target.streaming:
                    self._end_stream(exchange, frame)
                else:
                    queue_s = call.dispatched_at - call.arrived_at
                    exchange.resolve(Reply(frame.body, CODECS[frame.codec], None, queue_s, frame.amount * 1e-6))
            elif kind == _ITEM:
                if (exchange := in_flight.get(frame.call)) is not None:
                    self._stream_of(exchange, frame.codec).push(frame.body)
                else:
                    self.rare.take(frame)
            elif kind == _FAULT and frame.call:
                self._faulted(frame)
            else:
                self.rare.take(frame)
        self._run_us, self._reached = run_us, max(reached, self._reached)
        if self.feeders:
            self._stop_feeding()
        self._look_ahead()

    def credited(self, call_id: int) -> None:
        """The worker takes more of a call's input."""
        feeder = self.feeders.get(call_id)
        if feeder is not None:
            feeder.ring()

    def _stop_feeding(self) -> None:
        """Send no more to calls that are over, or given up."""
        for call_id, feeder in list(self.feeders.items()):
            exchange = self.in_flight.get(call_id)
            if exchange is None or exchange.over:
                del self.feeders[call_id]
                feeder.stop()

    def heard(self, call_id: int, event: Event) -> None:
        """Pass on what a call said."""
        exchange = self.in_flight.get(call_id)
        self.owner.heard(self, None if exchange is None else exchange.call, event)

    def caller(self, depth: int, call_id: str) -> Call | None:
        """The call in flight that makes one of this depth and CALL_ID, where that can be told."""
        begun = [self.in_flight[flying].call for flying in self.begun()]
        likely = [call for call in begun if call.depth == depth - 1]
        if len(likely) > 1:
            hello = self.connection.said_hello
            likely = [call for call in likely if hello and (call.public_id or hello.call_id(call.id)) == call_id]
        return likely[0] if len(likely) == 1 else None

    def leaving(self) -> None:
        """Be let go: the guest asked for it."""
        self.owner.leaving(self)

    def has_begun(self, call_id: int) -> bool:
        """Whether the function of a call in flight has been entered; True where the worker cannot tell."""
        return call_id in self.begun()

    def begun(self) -> Collection[int]:
        """Ids of the calls in flight whose functions have been entered: all, where the worker cannot tell."""
        if not self._goes_ahead or self.state is State.GONE:
            return self.in_flight
        last = self.progress.last_started()
        if last > self._newest:
            return self.in_flight  # somebody else has written into the page
        # Calls begin in the order of sending. The newest that has begun may have ended before older ones.
        newest = self.in_flight.get(last)
        reached = self._reached if newest is None else max(self._reached, newest.number)
        return [call_id for call_id, exchange in self.in_flight.items() if exchange.number <= reached]

    def running(self) -> tuple[int, ...]:
        """Ids of the calls that it may be running now: the oldest, as many as may run at once."""
        return tuple(islice(self.in_flight, self.owner.options.concurrency))

    def revoke_unstarted(self) -> None:
        """Ask for every call back that has not begun."""
        begun = self.begun()
        for call_id, exchange in self.in_flight.items():
            if call_id not in begun and not exchange.done and exchange.call.input is None:
                self._ask_back(call_id)

    def give_up(self, exchange: Exchange, fault: Fault) -> None:
        """Answer an exchange in flight with a fault now, and have the worker stop it: by request, then by force."""
        call_id, grace_s = exchange.call.id, self.owner.options.cancel_grace_s
        begun = self.has_begun(call_id)
        exchange.conclude(fault)
        if self.in_flight.get(call_id) is not exchange:
            return
        # What has been taken of an input stream could not be sent again.
        if not begun and exchange.call.input is None and self._ask_back(call_id):
            self.owner.loop.call_later(grace_s, self._check_return, exchange)
        else:
            self._cancel(exchange)
        self.channel.flush()

    def _ask_back(self, call_id: int) -> bool:
        """Send REVOKE; false where it was sent before, or comes too late."""
        try:
            self.channel.send(self.connection.cancel(call_id, unstarted=True))
        except IllegalTransition:
            return False
        return True

    def _cancel(self, exchange: Exchange) -> None:
        # Illegal once the guest has said its last frame: its end, which comes next, is the end of the call too.
        with contextlib.suppress(IllegalTransition):
            self.channel.send(self.connection.cancel(exchange.call.id))
        self._stop_feeding()
        self.owner.loop.call_later(self.owner.options.cancel_grace_s, self._check_stop, exchange)

    def _check_stop(self, exchange: Exchange) -> None:
        """Kill the worker if a call that was cancelled still runs."""
        if self.in_flight.get(exchange.call.id) is exchange:
            self.condemn(f"{exchange.call.target.name} did not stop when it was told to")

    def _check_return(self, exchange: Exchange) -> None:
        """See what became of a call that was asked back before it began."""
        if self.in_flight.get(exchange.call.id) is not exchange:
            return
        begun = self.begun()
        if exchange.call.id in begun:
            self._cancel(exchange)
        elif len(begun) < self.owner.options.concurrency:
            self.condemn("it did nothing, and did not answer")
        else:  # it is behind calls that run, whose own deadlines are watched
            self.owner.loop.call_later(self.owner.options.cancel_grace_s, self._check_return, exchange)

    def slow_down(self) -> None:
        """Send nothing ahead until it has proved quick again, and ask back what was sent but not begun."""
        self._run_us = AHEAD_US
        self.window = self.owner.options.concurrency
        self.revoke_unstarted()

    def drain(self) -> None:
        """Take no more calls; the process ends when those in flight have."""
        if self.state is not State.READY:
            return
        self.state = step(self.state, State.DRAINING)
        with contextlib.suppress(IllegalTransition):  # it has said its last frame already
            self.channel.send(self.connection.drain())

    def condemn(self, reason: str) -> None:
        """Kill the worker and all that it started, for a reason that its callers will read."""
        self.stopping_reason = self.stopping_reason or reason
        self.process.kill()
        if self.lent:
            # Its borrower is told by the end of what it reads, and brings it back.
            self.channel.hang_up()
        else:
            self.end()

    def exited(self, ended: Exit) -> None:
        """The process is gone, and why; what it sent last is still to be read."""
        if not self.stopping_reason:
            lost = ": it lost its connection; did user code close it?" if ended.status == WIRE_LOST else ""
            self.stopping_reason = f"{ended}{lost}"
        if self.lent:
            self.channel.hang_up()
        else:
            self.channel.read()
            self.end()

    def end(self) -> None:
        """The wire is closed: nothing more will come. Harmless when repeated."""
        if self.state is State.GONE:
            return
        begun = self.begun()
        live = [exchange for exchange in self.in_flight.values() if not exchange.over]
        fed = {call_id for call_id, feeder in self.feeders.items() if feeder.touched}
        ran = [exchange for exchange in live if exchange.call.id in begun or exchange.call.id in fed]
        waited = [exchange for exchange in live if exchange not in ran]
        self.useful = self.calls > len(self.in_flight)
        self.state = step(self.state, State.GONE)
        self.in_flight.clear()
        self._stop_feeding()
        self.channel.close()
        self.progress.close()
        self.segments.close()
        self.owner.lost(self, ran, waited)
        self.rare.close()

    def _index_of(self, target: Target) -> int:
        assert self._indexes is not None
        index = self._indexes.get(target.function)
        if index is None:
            detail = f"{target.name} is no longer in its source, which changed since it was loaded"
            raise NotFound(detail, started=Started.NO, function=target.name)
        return index

    def _faulted(self, frame: Frame) -> None:
        fault = load_fault(frame.body)
        exchange = self.in_flight.pop(frame.call, None)
        if exchange is None:
            return
        if frame.flags & Flag.UNSTARTED and exchange.stream is None:
            if not exchange.done:
                self.owner.returned(exchange)
            return
        if self._goes_ahead and self.progress.last_started() == frame.call:
            self._reached = max(self._reached, exchange.number)
        fault.function = exchange.call.target.name
        fault.remote = False
        exchange.conclude(fault)

    def _stream_of(self, exchange: Exchange, codec: int) -> ReplyStream:
        if exchange.stream is None:
            call = exchange.call

            def grant(count: int) -> None:
                credit = self.connection.consumed(call.id, count) if call.id in self.in_flight else b""
                if credit:
                    self.channel.send(credit)

            exchange.stream = ReplyStream(grant, exchange.cancel)
            queue_s = call.dispatched_at - call.arrived_at
            # What a command prints is JSON, whatever was asked for: the items' own codec counts.
            exchange.resolve(Reply(b"", CODECS[codec] if codec else call.reply_codec, exchange.stream, queue_s))
        return exchange.stream

    def _end_stream(self, exchange: Exchange, frame: Frame) -> None:
        stream = self._stream_of(exchange, frame.codec)
        if frame.body:  # it answered with one value in place of items
            stream.push(frame.body)
        stream.end()


def _too_large(target: Target, error: Oversized) -> InvalidArgument:
    return InvalidArgument(f"the input of {target.name} is too large to send: {error}", function=target.name)
