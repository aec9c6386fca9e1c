"""WebSocket (RFC 6455) behind its handshake: bytes in, whole messages out. No I/O.

Framing is wsproto's. Added are bounds: a message has a size at most, and however many pings come at a time, the last is
answered (§5.5.3 allows that), so nobody makes this side write more than it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, generate_accept_token

OK, AWAY, TOO_BIG = 1000, 1001, 1009
FAULT_BASE = 4000
"""A call that failed ends with this and the number of its gRPC code."""
REASON_BYTES_MAX = 123
"""What a close frame holds beside its code (§5.5)."""
JSON, MSGPACK = "dragoman.json", "dragoman.msgpack"
"""The subprotocols: in which codec replies are."""


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message; `text` says how it was sent."""

    body: bytes
    text: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event: the peer closed, or broke the protocol."""

    code: int
    reason: str


Event: TypeAlias = Message | Closed


def accept(key: bytes) -> bytes:
    """The answer to a client's key (§4.2.2)."""
    return generate_accept_token(key)


class WebSocket:
    """One connection, from either side. `outgoing` holds what is to be written, until `take` has it."""

    def __init__(self, *, client: bool, message_bytes_max: int) -> None:
        self._connection = Connection(ConnectionType.CLIENT if client else ConnectionType.SERVER)
        self._message = bytearray()
        self._bytes_max = message_bytes_max
        self._outgoing = bytearray()
        self.ended = False

    def receive(self, data: bytes) -> list[Event]:
        """Take what came; the messages that are whole by it. Nothing follows a `Closed`."""
        found: list[Event] = []
        if self.ended or self._connection.state is ConnectionState.CLOSED:
            return found
        self._connection.receive_data(data)
        pong = b""
        for event in self._connection.events():
            if isinstance(event, TextMessage | BytesMessage):
                text = isinstance(event, TextMessage)
                self._message += event.data.encode() if isinstance(event, TextMessage) else event.data
                if len(self._message) > self._bytes_max:
                    found.append(self._broken(TOO_BIG, f"a message may have {self._bytes_max} bytes here"))
                    break
                if event.message_finished:
                    found.append(Message(bytes(self._message), text))
                    self._message.clear()
            elif isinstance(event, Ping):
                pong = self._connection.send(event.response())
            elif isinstance(event, CloseConnection):
                found.append(self._broken(int(event.code), event.reason or ""))
                break
        self._outgoing += b"" if self.ended else pong
        return found

    def send(self, body: bytes, *, text: bool) -> None:
        """Send a message."""
        event = TextMessage(data=body.decode()) if text else BytesMessage(data=body)
        if not self.ended:
            self._outgoing += self._connection.send(event)

    def ping(self) -> None:
        """Ask whether the peer is there."""
        if not self.ended:
            self._outgoing += self._connection.send(Ping())

    def close(self, code: int, reason: str = "") -> None:
        """Say that nothing more is sent; what comes until the peer closes too is dropped."""
        if self.ended:
            return
        self.ended = True
        short = reason.encode()[:REASON_BYTES_MAX].decode("utf-8", "ignore")
        try:
            self._outgoing += self._connection.send(CloseConnection(code=code, reason=short))
        except LocalProtocolError:
            return  # the peer has closed, and was answered

    @property
    def partial_bytes(self) -> int:
        """How much is kept of a message that is not whole."""
        return len(self._message)

    def take(self) -> bytes:
        """What is to be written now."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _broken(self, code: int, reason: str) -> Closed:
        """End with what the peer said, or did; a code that must not be sent (§7.4.1) is answered by none."""
        private = code in (1005, 1006, 1015)
        self.close(OK if private else code, "" if private else reason)
        return Closed(code, reason)
