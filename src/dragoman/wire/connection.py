"""One end of a wire without its I/O: bytes in, checked frames out; sends in, bytes out.

    frames = connection.receive(socket.recv(65536))
    socket.send(connection.call_header(7, 0, Codec.JSON, len(body)) + body)

What a call pays for every time (CALL, END, the items of a stream) has short cuts; whatever else comes or goes takes
its step through the tables of `state`. After a `ProtocolFault` nothing more is received; a side may still tell why by
`fault(0, …)` before it closes. One thread may answer calls while another receives; whatever else threads share here,
they guard by a lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.fault import DataLoss, Fault, Started
from dragoman.wire import handshake
from dragoman.wire.calls import WAITING, Feeding, Reading, Writing
from dragoman.wire.fault import Oversized, ProtocolFault
from dragoman.wire.frame import (
    BODY_BYTES_MAX,
    FIELDS,
    META_BYTES_MAX,
    REGION_BYTES,
    Flag,
    Frame,
    Kind,
    encode,
    header,
    word,
)
from dragoman.wire.reception import Reception
from dragoman.wire.report import dump_fault
from dragoman.wire.segment import Region, region_of
from dragoman.wire.state import IllegalTransition, Role, Step, Way, move

if TYPE_CHECKING:
    from dragoman.wire.calls import TakenRecord
    from dragoman.wire.handshake import Hello, Ready

AMOUNT_MAX = 0xFFFF_FFFF
PINGS_MAX = 16
"""Pings that may be unanswered: one at a time is usual."""

_STREAM, _INPUT, _SEGMENT = int(Flag.STREAM), int(Flag.INPUT), int(Flag.SEGMENT)
_CALL_WORD, _STREAM_WORD = word(Kind.CALL), word(Kind.CALL, Flag.STREAM)
_ITEM_WORD, _END_WORD = word(Kind.ITEM), word(Kind.END)
_JSON = 1
_pack = FIELDS.pack


class Connection(Reception):
    """One end of one wire: what it sends, beside what it takes."""

    __slots__ = ()

    # Sending: the connection

    def hello(self, hello: Hello) -> bytes:
        """HELLO, from a host. Its limits become this connection's. Raises `IllegalTransition`, as every send does."""
        data = self._send(Step.HELLO, Frame(Kind.HELLO, codec=_JSON, body=handshake.dump_hello(hello)))
        self._heard_hello(hello)
        return data

    def ready(self, ready: Ready) -> bytes:
        """READY, from a guest or client. Raises `ValueError` where the manifest is too large, or a client has one."""
        if self.role is Role.CLIENT:
            try:
                handshake.check_client(ready)
            except ProtocolFault as fault:
                raise ValueError(fault.detail) from None
        data = self._send(Step.READY, Frame(Kind.READY, codec=_JSON, body=handshake.dump_ready(ready)))
        self._heard_ready(ready)
        return data

    def ping(self, body: bytes = b"") -> bytes:
        """PING; the peer echoes `body`, at most 64 bytes."""
        if len(self._pings) >= PINGS_MAX:
            message = f"{PINGS_MAX} pings are unanswered"
            raise IllegalTransition(message)
        data = self._send(Step.PING, Frame(Kind.PING, body=body))
        self._pings.append(body)
        return data

    def pong(self, body: bytes) -> bytes:
        """PONG, with the body of the PING."""
        return self._send(Step.PONG, Frame(Kind.PONG, body=body))

    def drain(self) -> bytes:
        """DRAIN. From a host: finish, take no more, leave. From a guest: send me no more."""
        return self._send(Step.DRAIN, Frame(Kind.DRAIN))

    def bye(self) -> bytes:
        """BYE, the last frame of this side, which must owe no answer any more; from a guest, only after a DRAIN."""
        if self._taken_live:
            message = f"BYE while {len(self._taken_live)} calls wait for their answer"
            raise IllegalTransition(message)
        data = self._send(Step.BYE, Frame(Kind.BYE))
        self._forget()
        return data

    def event(self, body: bytes, call: int = 0) -> bytes:
        """EVENT, from a guest, about a call of the host's or, with 0, about the worker (`report.dump_log`, …)."""
        return self._send(Step.EVENT, Frame(Kind.EVENT, codec=_JSON, call=call, body=body))

    def room(self, size: int) -> Region | None:
        """The region of this side's arena where a body of `size` bytes may be lent; `None` where there is no room.

        What is too large for the peer goes nowhere: it is refused where its frame is made.
        """
        offset = self._lent.room(size) if size <= self.limits.frame_bytes_max else None
        return None if offset is None else Region(offset, size)

    def release(self, offset: int) -> bytes:
        """RELEASE of a region of the peer's arena. Raises `ProtocolFault` where this side holds none there."""
        move(self._table, self.phase, Way.SEND, Step.RELEASE)
        return self._give_back(offset)

    # Sending: the caller's side

    def call_header(
        self, call: int, function: int, codec: int, size: int, amount: int = 0, entries: bytes = b""
    ) -> bytes:
        """Header and meta of a CALL that wants one reply; the body, of `size` bytes, is sent right after it.

        `codec` is the body's, with the wanted reply's in the high nibble; `amount` is milliseconds left, 0 for no
        deadline; `entries` is `meta.encode(…)`. Raises `Oversized`, `IllegalTransition`.
        """
        self._check_sending(call, len(entries), size)
        self._made_live[call] = WAITING
        return _pack(len(entries) + size, _CALL_WORD | codec << 24, function, len(entries), call, amount, 0) + entries

    def stream_header(
        self, call: int, function: int, codec: int, size: int, amount: int = 0, entries: bytes = b""
    ) -> bytes:
        """As `call_header`, for a CALL whose reply may be a stream."""
        self._check_sending(call, len(entries), size)
        self._made_live[call] = Reading(self.limits.credit_bytes)
        return _pack(len(entries) + size, _STREAM_WORD | codec << 24, function, len(entries), call, amount, 0) + entries

    def flagged_header(self, frame: Frame) -> bytes:
        """Header and meta of a CALL with any flags; its body is sent right after it.

        With INPUT the input's items follow (`item`, then `finish`). With SEGMENT the body is `Region.pack()`, and the
        region is the peer's until its RELEASE comes.
        """
        flags = frame.flags
        self._check_sending(frame.call, len(frame.meta), len(frame.body))
        features = self.said_hello.features if self.said_hello else ()
        if flags & _INPUT and not self._hosting and handshake.FEATURE_INPUT not in features:
            message = "the host did not offer to take input streams"
            raise IllegalTransition(message)
        data = header(frame)
        if flags & _SEGMENT:
            self._lend(region_of(frame.body))
        window = self.limits.credit_bytes
        self._made.open(frame.call, window, stream=bool(flags & _STREAM), feeds=bool(flags & _INPUT))
        return data

    def finish(self, call: int) -> bytes:
        """END of the input of a call of this side's."""
        self._made.feed(call, Step.END, 0)
        return _pack(0, _END_WORD, 0, 0, call, 0, 0)

    def call(self, call: int, function: int, codec: int, body: bytes, amount: int = 0, entries: bytes = b"") -> bytes:
        """A whole CALL that wants one reply; see `call_header`."""
        return self.call_header(call, function, codec, len(body), amount, entries) + body

    def cancel(self, call: int, *, unstarted: bool = False) -> bytes:
        """CANCEL a call of this side's; with `unstarted`, only if its function has not begun (needs the feature)."""
        if unstarted and not (self.said_ready and handshake.FEATURE_REVOKE in self.said_ready.features):
            message = "the guest did not offer to give calls back"
            raise IllegalTransition(message)
        step = Step.REVOKE if unstarted else Step.CANCEL
        self._made.control(call, step)
        return self._send(step, Frame(Kind.CANCEL, Flag.UNSTARTED if unstarted else 0, call=call))

    def credit(self, call: int, amount: int) -> bytes:
        """CREDIT of `amount` bytes for the stream this side reads of a live call. Raises `ValueError` past 2^31."""
        (self._taken.drawing(call) or self._made.reading(call)).grant(amount)
        return self._send(Step.CREDIT, Frame(Kind.CREDIT, call=call, amount=amount))

    def consumed(self, call: int, size: int) -> bytes:
        """Count an item of `size` bytes, wherever they lay, as used up; the CREDIT to send now, often none."""
        reading = self._made_live.get(call)
        if not isinstance(reading, Reading):
            reading = self._taken.drawing(call)
        due = reading.consume(size) if reading is not None else 0
        return self.credit(call, min(due, AMOUNT_MAX)) if due else b""

    # Sending: items of replies, and of the inputs of this side's own calls

    @property
    def at_rest(self) -> bool:
        """Whether no call is in progress in either direction, and nothing of this side's arena is lent."""
        return not (self._made_live or self._taken_live or len(self._lent))

    def credit_of(self, call: int) -> int:
        """Bytes of the call's stream that may be sent now; an item may go while it is above 0."""
        return self._sender(call).credit

    def item_header(self, call: int, codec: int, size: int) -> bytes:
        """Header of an ITEM; the body follows. Look at `credit_of` first. Raises `Oversized`."""
        if size > self.limits.frame_bytes_max:
            raise self._oversized(size)
        self._spend(call, size)
        return _pack(size, _ITEM_WORD | codec << 24, 0, 0, call, 0, 0)

    def item(self, call: int, codec: int, body: bytes) -> bytes:
        """A whole ITEM; see `item_header`."""
        return self.item_header(call, codec, len(body)) + body

    def lend_item(self, call: int, codec: int, region: Region) -> bytes:
        """A whole ITEM whose body lies in a region of this side's arena."""
        self._lend(region)
        try:
            self._spend(call, REGION_BYTES + region.size)
        except IllegalTransition:
            self._lent.release(region.offset)
            raise
        return encode(Frame(Kind.ITEM, Flag.SEGMENT, codec, call=call, body=region.pack()))

    # Sending: the callee's side

    def end_header(self, call: int, codec: int, size: int, amount: int = 0) -> bytes:
        """Header of an END; the body follows: the reply, or nothing after items.

        `amount` is how long the function ran, in microseconds. Raises `Oversized`, or `DataLoss` where the call's input
        was corrupt; then the call is still owed.
        """
        if size > self.limits.frame_bytes_max:
            raise self._oversized(size)
        record = self._taken_live.pop(call, None)
        if record is not WAITING or self._asked:
            self._end(call, record, Step.END, size)
        amount = amount if amount < AMOUNT_MAX else AMOUNT_MAX  # noqa: FURB136 - `min` takes 0.08 of these 0.2 µs
        return _pack(size, _END_WORD | codec << 24, 0, 0, call, amount, 0)

    def end(self, call: int, codec: int, body: bytes, amount: int = 0) -> bytes:
        """A whole END; see `end_header`."""
        return self.end_header(call, codec, len(body), amount) + body

    def lend_end(self, call: int, codec: int, region: Region, amount: int = 0) -> bytes:
        """A whole END whose body lies in a region of this side's arena; see `end_header`."""
        self._lend(region)
        try:
            self._end(call, self._taken_live.pop(call, None), Step.END, REGION_BYTES + region.size)
        except (IllegalTransition, DataLoss):
            self._lent.release(region.offset)
            raise
        frame = Frame(Kind.END, Flag.SEGMENT, codec, 0, call, min(amount, AMOUNT_MAX), b"", region.pack())
        return encode(frame)

    def fault(self, call: int, fault: Fault, amount: int = 0, *, unstarted: bool = False) -> bytes:
        """FAULT: the call failed. On call 0: this side cannot go on, and why; its last frame.

        `unstarted` answers a CANCEL that came with it: the function has not begun and will not.
        """
        flags = Flag.UNSTARTED if unstarted else 0
        if call and self._taken.inputs and self._taken.spoiled(call):
            fault = _input_lost()
        frame = Frame(Kind.FAULT, flags, _JSON, 0, call, min(amount, AMOUNT_MAX), b"", dump_fault(fault))
        if not call:
            data = self._send(Step.FAILURE, frame)
            self._forget()
            return data
        step = Step.RETURN if unstarted else Step.FAULT
        self._taken.end(call, self._taken_live.pop(call, None), step)
        return self._send(step, frame)

    def _end(self, call: int, record: TakenRecord | None, step: Step, size: int) -> None:
        """Take the long way to the end of a call whose record has just been removed."""
        if record is not None and self._taken.inputs and self._taken.spoiled(call):
            self._taken_live[call] = record
            raise _input_lost()
        self._taken.end(call, record, step, size)

    def _sender(self, call: int) -> Writing | Feeding:
        record = self._taken_live.get(call)
        return record if isinstance(record, Writing) else self._made.feeding(call)

    def _spend(self, call: int, size: int) -> None:
        if call in self._made.inputs:
            self._made.feed(call, Step.ITEM, size)
        else:
            self._taken.item(call, size)

    def _lend(self, region: Region) -> None:
        if not self.segments:
            message = "the two sides did not agree on shared memory"
            raise IllegalTransition(message)
        try:
            self._lent.lend(region, self.limits.frame_bytes_max)
        except ProtocolFault as fault:
            raise IllegalTransition(fault.detail) from None

    def _send(self, step: Step, frame: Frame) -> bytes:
        phase = move(self._table, self.phase, Way.SEND, step)
        if len(frame.body) > BODY_BYTES_MAX[frame.kind]:
            raise self._oversized(len(frame.body))
        data = encode(frame)
        self._enter(phase)
        return data

    def _check_sending(self, call: int, entries_bytes: int, size: int) -> None:
        """Check a CALL before it goes."""
        if entries_bytes + size > self.limits.frame_bytes_max or entries_bytes > META_BYTES_MAX:
            raise self._oversized(entries_bytes + size)
        low, high = self._ids
        made = self._made_live
        if not self._calling or call in made or not low <= call < high or len(made) >= self.limits.calls_max:
            message = (
                f"CALL {call:#x} cannot be made: the connection is {self.phase.value}, {len(made)} calls of at most"
                f" {self.limits.calls_max} are in flight, and ids are unique from {low:#x} below {high:#x}"
            )
            raise IllegalTransition(message)

    def _oversized(self, size: int) -> Oversized:
        return Oversized(f"a frame of {size} bytes is more than the peer accepts ({self.limits.frame_bytes_max})")


def _input_lost() -> DataLoss:
    """What answers a call whose input was corrupted on its way, whatever its function made of that."""
    return DataLoss("the input came with a checksum that does not match", started=Started.YES)
