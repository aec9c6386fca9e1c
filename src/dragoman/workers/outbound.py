"""Calls that a function makes through its host: `ctx.call`, in any language.

They go through the called function's whole stack, as a call from outside would. A streamed reply goes on as one where
the caller takes streams; else it is gathered into an array.

A function that calls another of its own source, with all workers busy, waits for one of them and may be what keeps it
busy. So it is kept which call waits for which; `workers.knot` looks at that when nothing moves.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dragoman.core.call import Priority, Ties
from dragoman.core.fault import Cancelled, OutOfRange, Started
from dragoman.core.inflow import InputStream
from dragoman.core.items import gather
from dragoman.core.relay import Relay
from dragoman.core.service import Pending, settle
from dragoman.wire import meta
from dragoman.wire.fault import Oversized
from dragoman.wire.frame import Flag, Kind
from dragoman.wire.state import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Call, Codec, Input, Reply, Trace
    from dragoman.core.fault import Fault
    from dragoman.wire.connection import Connection
    from dragoman.wire.frame import Frame
    from dragoman.workers.segments import Segments


@dataclass(slots=True, eq=False)
class GuestCall:
    """What a guest asks for. `remaining_s` is the time it gives, 0 for as long as the function may take.

    `caller` is the call that asks, where that is known; `call` the one that was made of it. `call_id` is the public id
    of the chain; `input` the stream of its input, where it has one.
    """

    function: str
    body: bytes
    codec: Codec
    reply_codec: Codec
    remaining_s: float
    trace: Trace | None
    depth: int
    caller: Call | None = None
    call: Call | None = None
    call_id: str = ""
    input: Input | None = None
    priority: Priority | None = None
    idempotency_key: str = ""

    def tie(self, call: Call) -> None:
        """Keep that the caller waits for this call, which gets what belongs to the chain."""
        self.call = call
        call.public_id, call.input = self.call_id, self.input
        caller = self.caller
        call.ties = Ties(caller)
        call.caller = ""
        call.idempotency_key = self.idempotency_key
        if self.priority is not None:
            call.priority = self.priority
        if caller is None:
            return
        caller.ties = caller.ties or Ties()
        caller.ties.waits_for.add(call)
        call.caller = caller.caller or caller.target.name
        if self.priority is None and caller.priority != Priority.NORMAL:
            # How much a call matters holds for all that is done for it (Site Reliability Engineering, ch. 21).
            call.priority = caller.priority

    def untie(self) -> None:
        """Keep that the caller waits no more."""
        call, self.call = self.call, None
        if call is None or call.ties is None:
            return
        call.ties.place = None
        if self.caller is not None and self.caller.ties is not None:
            self.caller.ties.waits_for.discard(call)


class Router(Protocol):
    """Finds the stack of any function of the project."""

    def __call__(self, call: GuestCall) -> Pending:
        """Run the call. A function that is not there, or a chain that is too deep, is a settled fault."""
        ...


class Outbound:
    """The calls that one worker has in progress through its host."""

    def __init__(
        self,
        connection: Connection,
        segments: Segments,
        send: Callable[..., None],
        route: Router,
        caller: Callable[[int, str], Call | None],
    ) -> None:
        """`caller` finds the call that makes one, by the depth and the CALL_ID that come with that one."""
        self.connection = connection
        self.send = send
        self._segments = segments
        self._relays: dict[int, Relay] = {}
        self._route = route
        self._caller = caller
        self._pending: dict[int, Pending] = {}
        self._inputs: dict[int, InputStream] = {}

    def __len__(self) -> int:
        return len(self._pending) + len(self._relays)

    @property
    def writable(self) -> bool:
        """Always: what the guest does not read is bounded by what it has granted."""
        return True

    def item(self, call: int, codec: int, body: bytes) -> tuple[bytes, bytes | memoryview]:
        """An item to the guest as parts of a frame. Raises `Oversized`."""
        return self._segments.item(self.connection, call, codec, body)

    def begin(self, frame: Frame) -> None:
        """Take a CALL of the guest's. Raises `ProtocolFault`."""
        entries = meta.decode(frame.meta)
        request = GuestCall(
            entries.function,
            frame.body,
            frame.body_codec,
            frame.reply_codec,
            frame.amount / 1000,
            entries.trace,
            entries.depth,
            self._caller(entries.depth, entries.call_id),
            call_id=entries.call_id,
            input=self._input_of(frame),
            priority=entries.priority,
            idempotency_key=entries.idempotency_key,
        )
        pending = self._route(request)
        self._pending[frame.call] = pending
        pending.then(lambda settled: self._answer(frame, request, settled))

    def feed(self, frame: Frame) -> None:
        """Take an ITEM or END of the input of one of these calls; what nobody reads any more is dropped."""
        stream = self._inputs.get(frame.call)
        if stream is None:
            return
        if frame.kind == Kind.ITEM:
            stream.push(frame.codec, frame.body)
        else:
            stream.end()

    def _input_of(self, frame: Frame) -> InputStream | None:
        if not frame.flags & Flag.INPUT:
            return None

        def grant(size: int) -> None:
            # Illegal once the guest has left, or has given up this call.
            with contextlib.suppress(IllegalTransition):
                if credit := self.connection.consumed(frame.call, size):
                    self.send(credit)

        stream = self._inputs[frame.call] = InputStream(grant)
        return stream

    def cancel(self, call_id: int) -> None:
        """The guest wants no answer any more; it gets CANCELLED."""
        pending = self._pending.get(call_id)
        if pending is not None:
            pending.cancel()
        elif (relay := self._relays.get(call_id)) is not None:
            relay.cancel()

    def ring(self, call_id: int) -> None:
        """Credit has come for a stream to the guest."""
        relay = self._relays.get(call_id)
        if relay is not None:
            relay.wake()

    def close(self) -> None:
        """The guest is gone: stop everything that it asked for, which nobody waits for any more."""
        inputs, self._inputs = self._inputs, {}
        for stream in inputs.values():
            stream.end(Cancelled("the function that made the input is gone"))
        pending, self._pending = self._pending, {}
        for each in pending.values():
            each.cancel()
        relays, self._relays = self._relays, {}
        for relay in relays.values():
            relay.cancel()

    def _answer(self, frame: Frame, request: GuestCall, settled: Pending) -> None:
        if frame.call not in self._pending:
            request.untie()
            return
        if settled.reply is not None and settled.reply.items is not None:
            if frame.flags & Flag.STREAM:
                self._pass_on(frame.call, request, settled.reply)
                return
            gathered = settle(gather(settled.reply, frame.reply_codec))
            self._pending[frame.call] = gathered
            gathered.then(lambda done: self._answer(frame, request, done))
            return
        request.untie()
        self._inputs.pop(frame.call, None)
        del self._pending[frame.call]
        # An IllegalTransition here says that the guest has just left: there is nobody to answer.
        with contextlib.suppress(IllegalTransition):
            if settled.reply is None:
                assert settled.fault is not None
                self.send(self.connection.fault(frame.call, settled.fault))
            else:
                self._send_reply(frame.call, settled.reply)

    def _pass_on(self, call_id: int, request: GuestCall, reply: Reply) -> None:
        def done(fault: Fault | None, codec: int) -> None:
            request.untie()
            self._inputs.pop(call_id, None)
            if self._relays.pop(call_id, None) is None:
                return
            with contextlib.suppress(IllegalTransition):
                self.send(
                    self.connection.end(call_id, codec, b"") if fault is None else self.connection.fault(call_id, fault)
                )

        del self._pending[call_id]
        relay = self._relays[call_id] = Relay(self, call_id, reply, done)
        relay.start()

    def _send_reply(self, call_id: int, reply: Reply) -> None:
        try:
            run_us = int(reply.run_s * 1e6)
            parts = self._segments.end(self.connection, call_id, reply.codec, reply.body, run_us)
        except Oversized as error:
            self.send(self.connection.fault(call_id, OutOfRange(str(error), started=Started.YES)))
        else:
            self.send(*parts)
