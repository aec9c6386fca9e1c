"""A TCP server that gives back, once it has all of it, what it gets: `python -m bench.peers.tcp_echo PORT SIZE`."""

from __future__ import annotations

import socket
import sys


def main(port: int, size: int) -> None:
    """Answer one client until it leaves."""
    body = memoryview(bytearray(size))
    with socket.create_server(("127.0.0.1", port)) as server:
        wire, _ = server.accept()
        with wire:
            while _fill(wire, body):
                wire.sendall(body)


def _fill(wire: socket.socket, body: memoryview) -> bool:
    left = body
    while left:
        count = wire.recv_into(left)
        if not count:
            return False
        left = left[count:]
    return True


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
