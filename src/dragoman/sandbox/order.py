"""What the host and its spawner say to each other: one order per worker, and the few answers to it.

Orders travel as marshal (built in, no import, 3 µs) between two processes of the same interpreter that trust each
other; the descriptors of a worker travel beside them. An order too big for one packet lies in a memfd.
"""

from __future__ import annotations

import marshal
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

START = b"S"
START_IN_FILE = b"L"
REMOVE = b"R"
KILL = b"K"

STARTED = b"P"
FAILED = b"F"
ENDED = b"X"
GONE = b"G"

PACKET_BYTES_MAX = 32 * 1024
"""An order up to this size is one packet: well inside a socket buffer (208 KB), with room for several in line."""

TEXT_BYTES_MAX = 8 * 1024
ANSWER_BYTES_MAX = 16 * 1024
"""An answer is two numbers and a sentence; a path in it may be long (PATH_MAX is 4096), and its bytes escaped."""

DESCRIPTORS_MAX = 64
"""Descriptors in one order; the kernel's own bound is 253, and nobody needs a tenth of it."""

NUMBERS = struct.Struct("<qq")


class Order:
    """One worker to start. `limits` is memory, files, processes, file and core bytes; `names` further descriptors."""

    __slots__ = ("argv", "cwd", "entry", "env", "id", "limits", "names")

    def __init__(
        self,
        id: int,  # noqa: A002 - the field's plain name
        command: tuple[tuple[str, ...], str],
        env: dict[str, str],
        cwd: str,
        limits: tuple[int, int, int, int, int],
        names: tuple[str, ...],
    ) -> None:
        """`command` is a program's argument list and the name of a Python entry; one of the two is empty."""
        self.id = id
        self.argv, self.entry = command
        self.env = env
        self.cwd = cwd
        self.limits = limits
        self.names = names

    def pack(self) -> bytes:
        """The order as bytes."""
        return marshal.dumps((self.id, (self.argv, self.entry), self.env, self.cwd, self.limits, self.names))

    @classmethod
    def unpack(cls, data: bytes) -> Order:
        """The order that `pack` made these bytes of."""
        fields: Any = marshal.loads(data)  # noqa: S302 - from the host that started this process, over a private socket
        return cls(*fields)


def to_file(data: bytes) -> int:
    """Put a large order into a memfd and return its descriptor."""
    fd = os.memfd_create("order", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    return fd


def from_file(fd: int) -> bytes:
    """Read a large order back, and close its descriptor."""
    with open(fd, "rb") as file:
        file.seek(0)
        return file.read()


def answer(kind: bytes, first: int, second: int = 0, text: str = "") -> bytes:
    """Pack one answer.

    STARTED: process id. FAILED: errno and text. ENDED: exit status, 1 if some process survived. GONE: order id, exit
    status of its keeper.
    """
    return kind + NUMBERS.pack(first, second) + text.encode(errors="backslashreplace")[:TEXT_BYTES_MAX]


def read_answer(data: bytes) -> tuple[bytes, int, int, str]:
    """Unpack what `answer` packed: kind, the two numbers, and the text."""
    first, second = NUMBERS.unpack_from(data, 1)
    return data[:1], first, second, data[1 + NUMBERS.size :].decode(errors="replace")


def receive(channel: socket.socket) -> bytes:
    """Read one answer; empty at the end. Raises `BlockingIOError` while there is none.

    A peer that closes with our last words unread resets the socket, and the kernel reports that before it hands out
    what the peer had said: the answer is behind the error.
    """
    for _ in range(2):
        try:
            return channel.recv(ANSWER_BYTES_MAX)
        except ConnectionResetError:
            continue
        except BlockingIOError:
            raise
        except OSError:
            break
    return b""
