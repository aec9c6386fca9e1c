"""The Python end of a bare ping-pong over a UNIX socket, with a program of any language."""

from __future__ import annotations

import socket
import sys

READ_BYTES = 64 * 1024


def main(path: str) -> None:
    """Send back what comes, one client after another, until told to end."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            wire, _ = listener.accept()
            with wire:
                while data := wire.recv(READ_BYTES):
                    wire.sendall(data)


if __name__ == "__main__":
    main(sys.argv[1])
