"""MessagePack over a socket: a length, and then a value; the other end reads it, and writes it anew."""

from __future__ import annotations

import socket
import sys
from typing import Any

import msgspec

LENGTH_BYTES = 8


def send(wire: socket.socket, value: Any) -> None:
    """Write a value."""
    body = msgspec.msgpack.encode(value)
    wire.sendall(len(body).to_bytes(LENGTH_BYTES, "little"))
    wire.sendall(body)


def receive(wire: socket.socket) -> Any:
    """Read a value. Raises `EOFError` where the other side has closed."""
    return msgspec.msgpack.decode(_exactly(wire, int.from_bytes(_exactly(wire, LENGTH_BYTES), "little")))


def _exactly(wire: socket.socket, size: int) -> bytearray:
    body = bytearray(size)
    left = memoryview(body)
    while left:
        count = wire.recv_into(left)
        if not count:
            raise EOFError
        left = left[count:]
    return body


def main(wire: socket.socket) -> None:
    """Answer until the other side closes."""
    try:
        while True:
            send(wire, receive(wire))
    except EOFError:
        return


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
