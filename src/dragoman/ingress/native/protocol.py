"""One client's connection: bytes in, calls out, and the answers back in the order in which they arrive.

The transport is the loop's own (a raw socket cannot speak TLS), and what is written in one turn of the loop leaves
together: uvloop gathers it by itself, for other loops it is gathered here.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from typing import TYPE_CHECKING, Protocol, cast

from dragoman.core.fault import (
    DeadlineExceeded,
    Fault,
    Internal,
    Overloaded,
    PermissionDenied,
    Started,
    Unauthenticated,
    Unavailable,
)
from dragoman.ingress.holding import HELD_BYTES_LEAST, RETRY_S, full
from dragoman.ingress.native.answering import Answer, fault_frame
from dragoman.ingress.peer import address_of
from dragoman.wire.connection import Connection
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.frame import Kind
from dragoman.wire.state import Phase, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.ingress.native.guard import Guard
    from dragoman.ingress.native.lane import NativeLane
    from dragoman.wire.frame import Frame

CROWD_MAX = 64
"""Clients past the limit that are told why before they are closed; more of them are just closed."""
UNREAD_BYTES_HIGH = 1024 * 1024
"""What may be written ahead of a client that reads slowly; past it nothing more is read from it."""
UNREAD_BYTES_MAX = 256 * 1024 * 1024
"""Past it, or two of the largest frames, the client is cut off: what it has asked for would fill the host's memory."""
JOIN_BYTES_MAX = 64 * 1024
"""Up to here the parts of a frame are copied together; past it they are written one after the other."""
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 6))
"""A client on another machine that has vanished without a word is noticed within two minutes."""
_CALL = int(Kind.CALL)


class SocketOptions(Protocol):
    """The options of a socket, which may be a loop's own."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set one."""
        ...


def keep_alive(sock: SocketOptions) -> None:
    """Have the system ask whether an idle client is still there."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


class NativeProtocol(asyncio.Protocol):
    """One connection. `since` is when it was accepted, and later when the frame that is coming in began."""

    def __init__(self, lane: NativeLane, guard: Guard | None, clients: set[NativeProtocol]) -> None:
        self.lane = lane
        self.connection = Connection(Role.SERVER)
        self.answers: dict[int, Answer] = {}
        self.since = lane.now()
        self.caller = ""
        self.transport: asyncio.Transport
        self._guard = guard
        """None for clients of other machines, who show a token in place of being users of this one."""
        self._clients = clients
        self._ready = False
        self._gone = False
        self._paused_at = 0.0
        self._partial_bytes = 0
        self._held_bytes = 0
        self._unread_bytes_max = max(UNREAD_BYTES_MAX, 2 * lane.limits.frame_bytes_max)
        self._rare: dict[int, Callable[[Frame], None]] = {
            Kind.READY: self._on_ready,
            Kind.CANCEL: self._on_cancel,
            Kind.CREDIT: self._on_credit,
            Kind.ITEM: self._on_input,
            Kind.END: self._on_input,
            Kind.PING: lambda frame: self.send(self.connection.pong(frame.body)),
            Kind.BYE: lambda _: self.leave(),
            Kind.FAULT: lambda _: self.leave(),
        }

    # What others ask

    @property
    def writable(self) -> bool:
        """Whether the client reads as fast as is written to it."""
        return not self._paused_at

    @property
    def ready(self) -> bool:
        """Whether the client has introduced itself and was let in."""
        return self._ready

    @property
    def gone(self) -> bool:
        """Whether the client has left, or was told to."""
        return self._gone

    @property
    def receiving(self) -> bool:
        """Whether a frame has begun to come in and is not whole."""
        return self.connection.missing_bytes > 0

    def unread_s(self, now: float) -> float:
        """For how many seconds the client has left what was written to it unread."""
        return now - self._paused_at if self._paused_at else 0.0

    def send(self, *parts: bytes | memoryview) -> None:
        """Send parts of frames, in order."""
        if self._gone:
            return
        if sum(map(len, parts)) <= JOIN_BYTES_MAX:
            self.transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
            return
        for part in parts:
            if part:
                self.transport.write(part)

    def reply(self, header: bytes, body: bytes | memoryview) -> None:
        """Send a whole reply."""
        if len(body) <= JOIN_BYTES_MAX and not self._gone:
            self.transport.write(header + body)
        else:
            self.send(header, body)

    def item(self, call: int, codec: int, body: bytes) -> tuple[bytes, bytes]:
        """An item as parts of a frame. Raises `Oversized`."""
        return self.connection.item_header(call, codec, len(body)), body

    def drain(self) -> None:
        """Tell the client that this host takes no more calls."""
        if self._ready and not self._gone and self.connection.phase is Phase.OPEN:
            self.send(self.connection.drain())
        elif not self._ready:
            self.leave()

    def leave(self) -> None:
        """Say BYE, if that is still possible, and close after what has been written."""
        if self._gone:
            return
        if self.connection.taken:
            self.turn_away(Unavailable("this host has stopped"), "draining")
            return
        if self.connection.phase not in {Phase.GREETING, Phase.LEFT}:
            self.send(self.connection.bye())
        self._close()
        self.transport.close()

    def turn_away(self, fault: Fault, reason: str) -> None:
        """Say why there is no going on, by FAULT on call 0, and close."""
        if self._gone:
            return
        self.lane.refused(reason)
        if self.connection.phase is not Phase.LEFT:
            self.send(self.connection.fault(0, fault))
        self._close()
        # It is closed a little later: what the client still sends would make the system forget what it was told.
        if self.transport.can_write_eof():
            self.transport.write_eof()

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a client, unless there are as many as there may be, or this one may not."""
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        transport.set_write_buffer_limits(UNREAD_BYTES_HIGH)
        if self._guard is None:
            keep_alive(transport.get_extra_info("socket"))
            self.caller = address_of(transport.get_extra_info("peername"))
        lane, clients = self.lane, self._clients
        clients.add(self)
        lane.counts.connections += 1
        crowd = len(clients) - lane.connections_max
        if crowd > CROWD_MAX:
            lane.refused("connections")
            self._gone = True
            transport.abort()
            return
        self.send(self.connection.hello(lane.hello))
        if crowd > 0:
            fault = Overloaded("this host has as many clients as it takes", retry_after_s=RETRY_S)
            self.turn_away(fault, "connections")
        elif lane.draining:
            self.turn_away(lane.stopping(), "draining")
        elif self._guard is not None:
            try:
                self.caller = f"uid:{self._guard.check(transport.get_extra_info('socket'))}"
            except PermissionDenied as fault:
                self.turn_away(fault, "user")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the standard library's signature
        """The client has gone: what it asked for is cancelled."""
        self._close()
        self._clients.discard(self)
        self.lane.counts.connections -= 1

    def eof_received(self) -> bool:
        """The client sends nothing more: whoever leaves half open is gone."""
        return False

    def pause_writing(self) -> None:
        """The client reads more slowly than is written: nothing more is taken from it until it has caught up."""
        self._paused_at = self.lane.now()
        if not self._gone:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._paused_at = 0.0
        if not self._gone:
            self.transport.resume_reading()
            for answer in list(self.answers.values()):
                answer.credit()

    def data_received(self, data: bytes) -> None:
        """Act on the frames in what came."""
        if self._gone:
            return
        connection = self.connection
        if self._ready and (frame := connection.receive_named_call(data)) is not None:
            self._call(frame)
            return
        broken: ProtocolFault | None = None
        try:
            frames = connection.receive(data)
        except ProtocolFault as error:
            frames, broken = error.frames, error
        if connection.phase is Phase.CLOSED:
            # Its last frame is among these: whatever it asked for before that, it wants no answer to.
            self.leave()
            return
        broken = self._act(frames) or broken
        if self._gone:
            return
        if broken is not None:
            self.turn_away(Internal(str(broken)), "protocol")
            return
        if answers := connection.answers():
            self.send(answers)
        if connection.missing_bytes or self._partial_bytes:
            self._count_partial(len(data), whole=bool(frames))

    # Frames

    def _act(self, frames: list[Frame]) -> ProtocolFault | None:
        """Act on frames; what one of them breaks, if any does."""
        try:
            for frame in frames:
                if self._gone:
                    break
                if frame.kind == _CALL and self._ready:
                    self._call(frame)
                else:
                    self._rarely(frame)
        except ProtocolFault as error:
            return error
        return None

    def _call(self, frame: Frame) -> None:
        lane, call_id = self.lane, frame.call
        now = lane.now()
        try:
            door, entries = lane.find(frame.meta)
            call = lane.to_call(frame, door.target, entries, now)
        except Fault as fault:
            fault.service = lane.naming.service
            self.send(fault_frame(self, call_id, fault))
            return
        call.caller = self.caller
        answer = Answer(self, frame, door, call, entries.call_id)
        self.answers[call_id] = answer
        answer.begin()
        if self._paused_at and self.transport.get_write_buffer_size() > self._unread_bytes_max:
            self.cut_off()

    def _rarely(self, frame: Frame) -> None:
        act = self._rare.get(frame.kind)
        if act is not None:
            act(frame)

    def _on_ready(self, _: Frame) -> None:
        lane, ready = self.lane, self.connection.said_ready
        assert ready is not None, "the connection has taken READY"
        token = ready.token.encode("utf-8", "surrogatepass")
        if self._guard is None and lane.token and not hmac.compare_digest(lane.token, token):
            self.turn_away(Unauthenticated("the token is missing, or not this host's"), "token")
            return
        self._ready = True

    def _on_cancel(self, frame: Frame) -> None:
        answer = self.answers.get(frame.call)
        if answer is not None:
            answer.cancel()

    def _on_input(self, frame: Frame) -> None:
        answer = self.answers.get(frame.call)
        if answer is not None:
            answer.feed(frame)

    def _on_credit(self, frame: Frame) -> None:
        answer = self.answers.get(frame.call)
        if answer is not None:
            answer.credit()

    # The end, and bounds

    def _count_partial(self, size: int, *, whole: bool) -> None:
        """Keep account of a frame that comes in pieces, in time and in memory."""
        if not self.connection.missing_bytes:
            self._partial_bytes = 0
        elif whole or not self._partial_bytes:
            self.since = self.lane.now()
            self._partial_bytes = size
        else:
            self._partial_bytes += size
        self._hold(self._partial_bytes if self._partial_bytes > HELD_BYTES_LEAST else 0)
        if self._held_bytes and self.lane.held_bytes > self.lane.held_bytes_max:
            self.turn_away(full(), "bodies")

    def _hold(self, size: int) -> None:
        self.lane.held_bytes += size - self._held_bytes
        self._held_bytes = size

    def overdue(self, what: str, seconds: float) -> None:
        """The client takes too long over something."""
        self.turn_away(DeadlineExceeded(f"{what} must come within {seconds:g}s", started=Started.NO), "slow")

    def cut_off(self) -> None:
        """The client leaves its replies unread."""
        self.lane.refused("unread")
        self._close()
        self.transport.abort()

    def _close(self) -> None:
        self._gone = True
        self.since = self.lane.now()
        self._hold(0)
        self._cancel_all()

    def _cancel_all(self) -> None:
        answers, self.answers = self.answers, {}
        for answer in answers.values():
            answer.cancel()
