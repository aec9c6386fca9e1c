"""The host's end of a native connection, played by hand over a pair of sockets."""

from __future__ import annotations

import socket
from typing import Any

from dragoman.core.call import Codec
from dragoman.wire.connection import Connection
from dragoman.wire.frame import Frame, Kind
from dragoman.wire.handshake import Hello
from dragoman.wire.state import Role

TIMEOUT_S = 10.0


class ScriptedHost:
    """Says what a test has it say."""

    def __init__(self, sock: socket.socket, **hello: Any) -> None:
        sock.settimeout(TIMEOUT_S)
        self.sock = sock
        self.connection = Connection(Role.SERVER)
        self.frames: list[Frame] = []
        self.sock.sendall(self.connection.hello(Hello("scripted", **hello)))

    def next(self) -> Frame:
        """The client's next frame."""
        while not self.frames:
            data = self.sock.recv(1 << 16)
            assert data, "the client closed the connection"
            self.frames += self.connection.receive(data)
        return self.frames.pop(0)

    def call(self) -> Frame:
        """The next CALL."""
        while (frame := self.next()).kind != Kind.CALL:
            pass
        return frame

    def answer(self, call: Frame, body: bytes = b"1") -> None:
        """END of a call."""
        self.sock.sendall(self.connection.end(call.call, Codec.JSON, body))

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)
