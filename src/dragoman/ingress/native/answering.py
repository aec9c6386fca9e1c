"""One call of a client: handed to its stack, and answered where its reply arrives."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import Cancelled, Fault, InvalidArgument, ResourceExhausted, Started
from dragoman.core.inflow import InputStream
from dragoman.core.items import gather
from dragoman.core.relay import Relay
from dragoman.core.service import Pending, settle
from dragoman.ingress.holding import HELD_BYTES_LEAST
from dragoman.wire.fault import Oversized
from dragoman.wire.frame import Flag, Kind
from dragoman.wire.state import IllegalTransition

if TYPE_CHECKING:
    from dragoman.core.call import Call, Reply
    from dragoman.ingress.native.doors import Door
    from dragoman.ingress.native.lane import NativeLane
    from dragoman.wire.connection import Connection
    from dragoman.wire.frame import Frame

_STREAM, _INPUT = int(Flag.STREAM), int(Flag.INPUT)


class Client(Protocol):
    """The connection that a call came on."""

    lane: NativeLane
    connection: Connection
    answers: dict[int, Answer]

    @property
    def writable(self) -> bool:
        """Whether the client reads as fast as is written to it."""
        ...

    def item(self, call: int, codec: int, body: bytes) -> tuple[bytes, bytes]:
        """An item as parts of a frame."""
        ...

    def send(self, *parts: bytes | memoryview) -> None:
        """Send parts of frames, in order."""
        ...

    def reply(self, header: bytes, body: bytes | memoryview) -> None:
        """Send a whole reply."""
        ...


class Answer:
    """What a client is owed for one CALL."""

    __slots__ = ("_client", "_door", "_id", "_inflow", "_pending", "_public_id", "_relay", "_streams", "call")

    def __init__(self, client: Client, frame: Frame, door: Door, call: Call, public_id: str) -> None:
        self._client = client
        self._id = frame.call
        self._door = door
        self.call = call
        self._public_id = public_id
        self._streams = bool(frame.flags & _STREAM)
        self._pending: Pending | None = None
        self._relay: Relay | None = None
        self._inflow: InputStream | None = None
        if frame.flags & _INPUT:
            self._inflow = call.input = InputStream(self._grant)

    def begin(self) -> None:
        """Run the call."""
        door, call = self._door, self.call
        size = len(call.body)
        if size > HELD_BYTES_LEAST:
            self._client.lane.held_bytes += size
        door.meter.in_flight += 1
        try:
            answer = door.service(call)
            pending = answer if isinstance(answer, Pending) else settle(answer)
        except Oversized as error:
            pending = Pending.failed(InvalidArgument(f"the body is too large for its worker: {error}"))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, the caller gets an answer
            pending = Pending.failed(Fault.internal(f"the host failed to run the call: {error!r}"))
        self._pending = pending
        pending.then(self._settled)

    def cancel(self) -> None:
        """The client wants no answer any more; it gets CANCELLED, if it still hears."""
        if self._inflow is not None:
            self._inflow.end(Cancelled("the client gave the call up"))
        if self._relay is not None:
            self._relay.cancel()
        elif self._pending is not None:
            self._pending.cancel()

    def feed(self, frame: Frame) -> None:
        """Take an ITEM or END of the call's input."""
        if self._inflow is None:
            return
        if frame.kind == Kind.ITEM:
            self._inflow.push(frame.codec, frame.body)
        else:
            self._inflow.end()

    def _grant(self, size: int) -> None:
        # Illegal once the client has left, or has given this call up.
        with contextlib.suppress(IllegalTransition):
            if credit := self._client.connection.consumed(self._id, size):
                self._client.send(credit)

    def credit(self) -> None:
        """The client has taken items, or reads again: more may go."""
        if self._relay is not None:
            self._relay.wake()

    def _settled(self, pending: Pending) -> None:
        reply = pending.reply
        if reply is None:
            assert pending.fault is not None, "a settled call has a reply or a fault"
            self._fail(pending.fault)
        elif reply.items is None:
            self._resolve(reply)
        elif self._streams:
            self._relay = Relay(self._client, self._id, reply, self._end)
            self._relay.start()
            if self._id not in self._client.answers:  # it has gone meanwhile
                self._relay.cancel()
        else:
            gathered = self._pending = settle(gather(reply, self.call.reply_codec))
            gathered.then(self._settled)

    def _resolve(self, reply: Reply) -> None:
        client, body = self._client, reply.body
        lane, call = client.lane, self.call
        if client.answers.pop(self._id, None) is None:
            self._finish(None)
            return
        try:
            header = client.connection.end_header(self._id, reply.codec, len(body), int(reply.run_s * 1e6))
        except (Oversized, Fault) as error:
            client.answers[self._id] = self
            self._fail(error if isinstance(error, Fault) else unsendable(error))
            return
        self._door.meter.finished(None, lane.now() - call.arrived_at)
        client.reply(header, body)
        self._release()

    def _fail(self, fault: Fault) -> None:
        client = self._client
        client.lane.failed(self.call, fault, self._public_id)
        live = client.answers.pop(self._id, None) is not None
        self._finish(fault)
        if live:
            client.send(fault_frame(client, self._id, fault))

    def _end(self, fault: Fault | None, codec: int) -> None:
        """The stream has ended."""
        client = self._client
        if fault is not None:
            self._fail(fault)
            return
        live = client.answers.pop(self._id, None) is not None
        self._finish(None)
        if live:
            client.send(client.connection.end_header(self._id, codec, 0))

    def _finish(self, fault: Fault | None) -> None:
        code = None if fault is None else fault.code
        self._door.meter.finished(code, self._client.lane.now() - self.call.arrived_at)
        self._release()

    def _release(self) -> None:
        """Let go of a body that counts among those that are held."""
        size = len(self.call.body)
        if size > HELD_BYTES_LEAST:
            self._client.lane.held_bytes -= size
            self.call.body = b""


def unsendable(error: Oversized) -> ResourceExhausted:
    """The fault of a call whose reply is too large for the wire."""
    return ResourceExhausted(f"the reply cannot travel: {error}", started=Started.YES)


def fault_frame(client: Client, call_id: int, fault: Fault) -> bytes:
    """The FAULT of a call, without what is not for callers."""
    if not client.lane.options.debug:
        fault.traceback = ""
    return client.connection.fault(call_id, fault)
