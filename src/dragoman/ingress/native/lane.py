"""The call path between a client's connection and the stack: what a call needs that no single connection owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.contract.fitting import fitted, in_reach
from dragoman.core.call import Call, Codec
from dragoman.core.fault import Draining, InvalidArgument, Overloaded, ResourceExhausted, Started
from dragoman.core.units import format_size
from dragoman.ingress.holding import HELD_BYTES_LEAST, RETRY_S, full, held_bytes_max
from dragoman.wire.frame import FRAME_BYTES_MAX, META_BYTES_MAX
from dragoman.wire.handshake import FEATURE_INPUT, Hello, Limits
from dragoman.wire.meta import DEPTH_MAX

if TYPE_CHECKING:
    from dragoman.core.clock import Clock
    from dragoman.core.fault import Fault
    from dragoman.core.target import Target
    from dragoman.ingress.listener import Listener, Naming
    from dragoman.ingress.native.doors import Doors, Tracer
    from dragoman.ingress.native.options import NativeOptions
    from dragoman.wire.frame import Frame
    from dragoman.wire.meta import Entries

CODECS = tuple(Codec)
"""Codecs by their number on the wire."""
_JSON, _BYTES, _ARROW = int(Codec.JSON), int(Codec.BYTES), int(Codec.ARROW)


class NativeLane:
    """Doors, options, ids and clock of the native ingress, whichever sockets it has. `token` is empty for none."""

    def __init__(
        self, doors: Doors, options: NativeOptions, tracer: Tracer, clock: Clock, naming: Naming, listener: Listener
    ) -> None:
        self.find = doors.find
        self.options = options
        self.now = clock.monotonic
        self.naming = naming
        self.counts = listener.counts
        self.refused = listener.counts.refused
        frame_bytes_max = max(FRAME_BYTES_MAX, options.body_bytes_max + META_BYTES_MAX)
        self.limits = Limits(frame_bytes_max=frame_bytes_max, calls_max=options.calls_max)
        self.hello = Hello(
            naming.host, debug=options.debug, limits=self.limits, features=(FEATURE_INPUT,), service=naming.service
        )
        self.token = b""
        self.draining = False
        self.held_bytes = 0
        self.held_bytes_max = held_bytes_max(options.body_bytes_max)
        self.connections_max = options.connections_max
        self._tracer = tracer
        self._next_id = naming.next_id
        self._failed = listener.failed

    def to_call(self, frame: Frame, target: Target, entries: Entries, now: float) -> Call:
        """The call that a CALL of the wire asks for. Raises the `Fault` of one that is refused before any work."""
        codec = frame.codec & 0x0F
        wanted = frame.codec >> 4 or codec or _JSON
        if wanted >= _BYTES:
            wanted = in_reach(target, Codec(wanted))
        size = len(frame.body)
        raw = codec >= _BYTES and not target.raw_input and not (codec == _ARROW and len(target.tables) == 1)
        if size > self.options.body_bytes_max or entries.depth > DEPTH_MAX or raw:
            raise self._refusal(size, target, entries)
        if self.draining:
            raise self.stopping()
        if size > HELD_BYTES_LEAST and self.held_bytes + size > self.held_bytes_max:
            self.refused("bodies")
            raise full()
        left_s = frame.amount / 1000
        timeout_s = left_s if 0 < left_s < target.timeout_s else target.timeout_s
        body, taken = (frame.body, CODECS[codec]) if codec < _ARROW else fitted(frame.body, Codec.ARROW, target)
        call = Call(
            target,
            body,
            taken,
            CODECS[wanted],
            id=self._next_id(),
            deadline=now + timeout_s,
            arrived_at=now,
        )
        call.depth = entries.depth
        call.public_id = entries.call_id
        call.idempotency_key = entries.idempotency_key
        if entries.priority is not None:
            call.priority = entries.priority
        if entries.trace is not None:
            call.trace = self._tracer.child(entries.trace)
        elif self._tracer.sampling:
            call.trace = self._tracer.enter(None)
        return call

    def failed(self, call: Call, fault: Fault, call_id: str) -> None:
        """Tell that a call has failed; the fault learns what only the lane knows. `call_id` is the caller's own."""
        fault.service = self.naming.service
        fault.function = fault.function or call.target.name
        fault.call_id = call_id or f"{self.naming.prefix}{call.id:08x}"
        fault.trace_id = "" if call.trace is None else call.trace.trace_id.hex()
        if type(fault) is not Overloaded:  # said thousands of times a second just when there is no time
            self._failed(call, fault)

    def stopping(self) -> Draining:
        """Why there are no new calls while the host stops."""
        self.refused("draining")
        return Draining(f"{self.naming.service} is stopping and takes no new calls", retry_after_s=RETRY_S)

    def _refusal(self, size: int, target: Target, entries: Entries) -> Fault:
        if size > self.options.body_bytes_max:
            self.refused("body")
            limit = format_size(self.options.body_bytes_max)
            return InvalidArgument(f"a body of {size} bytes is more than this host takes ({limit})", started=Started.NO)
        if entries.depth > DEPTH_MAX:
            self.refused("depth")
            detail = f"{target.name} is call number {entries.depth} of a chain; chains end at {DEPTH_MAX}"
            return ResourceExhausted(detail, function=target.name)
        self.refused("codec")
        detail = f"{target.name} takes no raw bytes and no Arrow stream; send JSON or MessagePack"
        return InvalidArgument(detail, started=Started.NO, function=target.name)
