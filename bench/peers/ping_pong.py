"""Two Python processes and a UNIX socket: the floor for any call to another process."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from typing import TYPE_CHECKING

from bench.system import running

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

READ_BYTES = 64 * 1024
"""A larger buffer costs more to get than it saves: 20 µs at 256 KB."""


def receive(wire: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes; fewer only where the other side has closed."""
    chunk = wire.recv(min(size, READ_BYTES))
    if len(chunk) == size:
        return chunk
    parts, left = [chunk], size - len(chunk)
    while left and chunk:
        chunk = wire.recv(min(left, READ_BYTES))
        parts.append(chunk)
        left -= len(chunk)
    return b"".join(parts)


@contextlib.contextmanager
def ping_pong(body: bytes) -> Generator[Callable[[], bytes]]:
    """Send a body there and back."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "bench.peers.ping_pong", str(theirs.fileno()), str(len(body)), "bytes"]
    with ours, running(command, (theirs.fileno(),)):
        theirs.close()

        def call() -> bytes:
            ours.sendall(body)
            return receive(ours, len(body))

        yield call


@contextlib.contextmanager
def ping_pong_json(text: str) -> Generator[Callable[[], str]]:
    """The same with `json` on both sides, as every real call has to do something of the kind."""
    ours, theirs = socket.socketpair()
    size = len(json.dumps({"text": text}))
    command = [sys.executable, "-m", "bench.peers.ping_pong", str(theirs.fileno()), str(size), "json"]
    with ours, running(command, (theirs.fileno(),)):
        theirs.close()

        def call() -> str:
            ours.sendall(json.dumps({"text": text}).encode())
            return json.loads(receive(ours, size))["text"]

        yield call


def main(wire: socket.socket, size: int, mode: str) -> None:
    """Answer until the other side closes."""
    while len(body := receive(wire, size)) == size:
        wire.sendall(body if mode == "bytes" else json.dumps(json.loads(body)).encode())


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), sys.argv[3])
