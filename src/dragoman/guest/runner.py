"""One synchronous call at a time, in the main thread.

The state of the running call is this object's own, not a new object's: nearly all calls are short and plain, and what
they do not use must cost nothing. Others may read it under the line's lock.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.contract.batch import faults_in, parted
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Codec
from dragoman.core.deadline import NEVER
from dragoman.core.fault import (
    Aborted,
    Cancelled,
    DeadlineExceeded,
    Fault,
    NotFound,
    ResourceExhausted,
    Started,
    Unimplemented,
)
from dragoman.guest.context import Context, Link
from dragoman.guest.failure import fault_of
from dragoman.guest.forks import leave
from dragoman.guest.inflow import Items
from dragoman.guest.interrupt import CallCancelled
from dragoman.guest.reports import Reports
from dragoman.wire import meta
from dragoman.wire.fault import Oversized
from dragoman.wire.frame import Flag
from dragoman.wire.meta import Entries

if TYPE_CHECKING:
    from dragoman.contract.signature import Binding
    from dragoman.core.draft import Draft
    from dragoman.guest.forks import ForkGuard
    from dragoman.guest.inflow import Inflow
    from dragoman.guest.line import Line
    from dragoman.guest.output import Output
    from dragoman.wire.frame import Frame

_STREAM, _INPUT = int(Flag.STREAM), int(Flag.INPUT)
_ARROW = Codec.ARROW
_BODIES = (Codec.JSON, Codec.MSGPACK, Codec.BYTES)
CODECS = tuple(Codec)
"""By their numbers; a lookup costs a tenth of `Codec(number)`."""


class Port(Link, Protocol):
    """Where a running call's questions and items go."""

    def send_item(self, call: int, codec: int, body: bytes | Draft) -> None:
        """Send one item, once there is credit. Raises `CallCancelled`."""
        ...

    def next_item(self, inflow: Inflow) -> Frame | None:
        """The next item of a call's input; `None` at its end. Raises `CallCancelled`."""
        ...


class Runner:
    """Runs calls. `call` is the one that runs, 0 for none; it began and ended at moments on the monotonic clock."""

    def __init__(self, line: Line, bindings: list[Binding], output: Output, guard: ForkGuard) -> None:
        self.line = line
        self._bindings = bindings
        self._direct = {
            (function, codec | wanted << 4): direct
            for function, binding in enumerate(bindings)
            if is_plain(binding)
            for codec in _BODIES
            for wanted in _BODIES
            if (direct := binding.direct(codec, wanted)) is not None
        }
        self.output = output
        self.guard = guard
        self.port: Port
        self.call = 0
        self.began_at = 0.0
        self.ended_at = 0.0
        self.deadline = NEVER
        self.late = False
        self.cancelled = False
        self.exposed = False
        self.struck = False
        self.interrupted = False

    def begin(self, call: int, now: float) -> None:
        """Make a call the running one. It must have been taken where nobody could revoke it at the same time."""
        self.call = call
        self.began_at = now
        self.cancelled = self.struck = self.interrupted = self.late = False
        self.deadline = NEVER

    def serve(self, frame: Frame, arrived_at: float) -> tuple[bytes, bytes | memoryview]:
        """Run the call that has begun; return its answer as a frame's header and body. Sets `ended_at`."""
        _, flags, codecs, function, call, amount, _, taken = frame
        try:
            direct = self._direct.get((function, codecs))
            self.deadline = deadline = arrived_at + amount * 0.001 if amount else NEVER
            if direct is not None and deadline > self.began_at and flags < _INPUT:
                self.exposed = True
                value = direct.invoke(taken)
                self.exposed = False
                wanted = direct.wanted
                try:
                    body: bytes | Draft = direct.encode(value)
                except Malformed:
                    body, wanted = encode_reply(self._bindings[function], value, wanted, frame.meta)
            else:
                codec, binding = CODECS[codecs & 15], self._bindings[function]
                wanted = reply_codec(binding, codec, CODECS[codecs >> 4])
                refuse_unservable(binding, codec, wanted, flags)
                refuse_late(binding.name, deadline, self.began_at)
                body, wanted = self._perform(binding, frame, wanted, deadline)
                self._end_input(frame)
            if self.guard.is_child:
                leave(None)
            if self.output.printed:
                self.output.settle(call)
            self.ended_at = now = monotonic()
            run_us = int((now - self.began_at) * 1e6)
            if type(body) is not bytes or len(body) >= self.line.segment_from:
                return self.line.answer(call, wanted, body, run_us)
            return self.line.connection.end_header(call, wanted, len(body), run_us), body
        except BaseException as error:  # noqa: BLE001 - user code may raise anything, and the worker outlives it
            self.exposed = False
            return self._fail(frame, error)

    def _perform(self, binding: Binding, frame: Frame, wanted: Codec, deadline: float) -> tuple[bytes | Draft, Codec]:
        if not binding.context_parameter:
            return self._invoke(binding, frame, wanted, None)
        reports = Reports(self.port, frame.call)
        try:
            return self._invoke(binding, frame, wanted, Context(self.port, frame.call, frame.meta, deadline, reports))
        finally:
            self.exposed = False
            reports.settle()

    def _invoke(
        self, binding: Binding, frame: Frame, wanted: Codec, context: Context | None
    ) -> tuple[bytes | Draft, Codec]:
        intake = binding.intake if frame.flags & _INPUT else None
        self.exposed = True
        if intake is None:
            value = binding.invoke(frame.body, CODECS[frame.codec & 15], context)
        else:
            items = Items(self.port, self.line.inflows.of(frame.call), intake)
            value = intake.invoke(frame.body, CODECS[frame.codec & 15], context, items)
        self.exposed = False
        if binding.is_stream:
            return self._stream(binding, value, frame.call, wanted), wanted
        return encode_reply(binding, value, wanted, frame.meta)

    def _fail(self, frame: Frame, error: BaseException) -> tuple[bytes, bytes]:
        if self.guard.is_child:
            leave(error)
        fault = self._fault(frame, error)
        self._end_input(frame)
        # The traceback holds the function's locals, large data maybe, and the next call may be long in coming.
        error.__traceback__ = None
        if self.output.printed:
            self.output.settle(frame.call)
        self.ended_at = now = monotonic()
        with self.line.lock:
            return self.line.connection.fault(frame.call, fault, int((now - self.began_at) * 1e6)), b""

    def _end_input(self, frame: Frame) -> None:
        if frame.flags & _INPUT:
            with self.line.lock:
                self.line.inflows.close(frame.call)

    def _fault(self, frame: Frame, error: BaseException) -> Fault:
        if isinstance(error, IndexError) and frame.function >= len(self._bindings):
            return unknown_function(frame.function)
        if self.late and isinstance(error, CallCancelled):
            return out_of_time(self._bindings[frame.function].name)
        return failure(error)

    def _stream(self, binding: Binding, items: Any, call: int, codec: Codec) -> bytes:
        """Send what a generator yields; the END that follows has no body."""
        step = iter(items).__next__
        try:
            while True:
                self.exposed = True
                try:
                    item = step()
                except StopIteration:
                    self.exposed = False
                    return b""
                self.exposed = False
                body = binding.encode(item, codec)
                if self.guard.is_child:
                    leave(None)
                self.port.send_item(call, codec, body)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()


def is_plain(binding: Binding) -> bool:
    """Whether a function takes a value and gives a value, and nothing else."""
    return not (binding.is_stream or binding.context_parameter or binding.contract.raw_output)


def reply_codec(binding: Binding, codec: Codec, wanted: Codec) -> Codec:
    """The codec of the reply: what is wanted; else as the input came, raw only where the function gives bytes."""
    if wanted:
        return wanted
    if codec >= Codec.BYTES and not binding.contract.raw_output:
        return Codec.JSON
    return codec or Codec.JSON


def in_json(binding: Binding, value: Any, wanted: Codec, fault: Fault) -> tuple[bytes | Draft, Codec]:
    """A result as JSON where MessagePack cannot say it: an integer past 64 bits. Raises `fault` where JSON cannot."""
    if wanted is not Codec.MSGPACK:
        raise fault
    try:
        return binding.encode(value, Codec.JSON), Codec.JSON
    except Fault:
        raise fault from None


def encode_reply(
    binding: Binding, value: Any, wanted: Codec, entries: bytes | Entries = b""
) -> tuple[bytes | Draft, Codec]:
    """A result in the wanted codec, or in JSON where that one cannot say it. Raises the fault of neither.

    A fault that the function returned in place of an item is the whole call's, unless the call's meta (`entries`) says
    that it was made of several.
    """
    try:
        return binding.encode(value, wanted), wanted
    except Fault as fault:
        faults = faults_in(value)
        if not faults:
            return in_json(binding, value, wanted, fault)
    if not (entries if isinstance(entries, Entries) else meta.decode(entries)).merged:
        first = next(iter(faults.values()))
        first.started = Started.YES
        raise first
    value = parted(value, faults)
    try:
        return binding.encode(value, wanted), wanted
    except Fault as fault:
        return in_json(binding, value, wanted, fault)


def refuse_unservable(binding: Binding, codec: Codec, wanted: Codec, flags: int) -> None:
    """Refuse what the function, or this guest, does not do. Raises `Unimplemented`."""
    name = binding.name
    if binding.is_stream and not flags & _STREAM:
        raise Unimplemented(f"{name} streams: call it for a stream", started=Started.NO)
    if flags & _INPUT and binding.intake is None:
        raise Unimplemented(f"{name} takes no input stream: send its whole input", started=Started.NO)
    contract = binding.contract
    if (codec is _ARROW and not contract.raw_input) or (wanted is _ARROW and not contract.raw_output):
        raise Unimplemented(f"{name} speaks JSON and MessagePack here, not Arrow", started=Started.NO)


def refuse_late(name: str, deadline: float, now: float) -> None:
    """Refuse a call that nobody waits for any more. Raises `DeadlineExceeded`."""
    if deadline <= now:
        raise DeadlineExceeded(f"the deadline passed before {name} began", started=Started.NO)


def out_of_time(name: str) -> Fault:
    """The fault of a call that ran past its deadline."""
    return DeadlineExceeded(f"{name} ran past its deadline", started=Started.YES)


def failure(error: BaseException) -> Fault:
    """The fault for what a call raised, in user code or around it."""
    if isinstance(error, Oversized):
        return ResourceExhausted(f"the result is too large to send: {error}", started=Started.YES)
    return fault_of(error)


def unknown_function(index: int) -> Fault:
    """The fault for an index past the manifest."""
    return NotFound(f"this worker has no function number {index}", started=Started.NO)


def revoked() -> Fault:
    """The answer to a call that the host wants back, and that has not begun."""
    return Aborted("given back before it began", started=Started.NO)


def cancelled_unstarted() -> Fault:
    """The answer to a call that was cancelled before its turn came."""
    return Cancelled("the call was cancelled before it began", started=Started.NO)
