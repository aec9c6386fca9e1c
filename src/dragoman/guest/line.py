"""The worker's end of the wire: the socket, the connection's state, and the frames that wait to be sent.

One lock guards all three. Frames are collected and leave together: one system call for a batch of replies.
"""

from __future__ import annotations

import os
from _thread import RLock
from collections import deque
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

from dragoman.core.draft import whole
from dragoman.core.fault import FailedPrecondition, Internal, Started
from dragoman.guest.inflow import Inflows
from dragoman.wire.connection import Connection
from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.frame import Flag
from dragoman.wire.state import IllegalTransition, Role

if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable

    from dragoman.core.draft import Draft
    from dragoman.core.fault import Fault
    from dragoman.guest.arenas import Arenas
    from dragoman.wire.frame import Frame
    from dragoman.wire.handshake import Hello

READ_BYTES = 64 * 1024
"""Larger reads cost more for the page faults of their buffer than they save in calls, save inside a large frame."""
READ_BYTES_MAX = 256 * 1024
"""About what a UNIX socket holds: more never comes at once."""
SEND_BYTES = 64 * 1024
"""Collected frames leave when they are this many bytes; up to here joining them is cheaper than a list of buffers."""
SEND_PARTS_MAX = 512
"""Buffers in one `sendmsg`; the kernel takes at most 1024."""
_EX_IOERR = 74


class Line:
    """The wire of this worker. `lock` must be held for everything but `read`, `receive`, `report` and `lost`.

    `inflows` are the input streams of the calls that are here. `driver`, where there is an event loop, is asked to send
    in place of sending here; it then calls `send_some`.
    """

    def __init__(self, sock: socket, arenas: Arenas | None = None) -> None:
        self.sock = sock
        self.lock = RLock()
        self.arenas = arenas
        self.connection = Connection(Role.GUEST, arena_bytes=0 if arenas is None else arenas.size)
        self.inflows = Inflows()
        self.segment_from: float = inf
        self.freed: deque[int] = deque() if arenas is None else arenas.freed
        self.size = 0
        self.since = 0.0
        self.driver: Callable[[], None] | None = None
        self._parts: list[bytes | memoryview] = []
        self._sending = False
        self._read_bytes = READ_BYTES

    @property
    def hello(self) -> Hello:
        """What the host said first."""
        hello = self.connection.said_hello
        assert hello is not None, "the handshake comes before anything else"
        return hello

    def read(self, flags: int = 0) -> bytes:
        """Some bytes; ends the process where there will be no more. Raises `BlockingIOError`."""
        try:
            return self.sock.recv(self._read_bytes, flags) or self.lost()
        except BlockingIOError:
            raise
        except OSError:
            self.lost()

    def receive(self, data: bytes) -> list[Frame]:
        """The frames that are complete; ends the process where the host broke the protocol."""
        connection = self.connection
        try:
            frames = connection.receive(data)
        except ProtocolFault as fault:
            if fault.reason is Reason.HANDSHAKE:
                self.refuse(FailedPrecondition(fault.detail, started=Started.NO))
            self.refuse(Internal(f"the host broke the protocol: {fault}"))
        if connection.borrowed and self.arenas is not None:
            frames = self.arenas.mapped(frames)
        if len(data) >= READ_BYTES:
            self._read_bytes = min(max(connection.missing_bytes, READ_BYTES), READ_BYTES_MAX)
        answers = connection.answers()
        if answers:
            with self.lock:
                self.put(answers)
                self.flush()
        return frames

    def refuse(self, fault: Fault) -> NoReturn:
        """Say why this worker cannot go on, and end."""
        with self.lock:
            self.driver = None
            self.sock.settimeout(None)
            with suppress(IllegalTransition):
                self.put(self.connection.fault(0, fault))
            self.flush()
        self.lost()

    def put(self, *parts: bytes | memoryview) -> None:
        """Send these bytes with the next batch."""
        if not self._parts:
            self.since = monotonic()
        for part in parts:
            if part:
                self._parts.append(part)
                self.size += len(part)

    def flush(self) -> None:
        """Send what is waiting; blocks where the host does not read."""
        if self.freed:
            self.give_back()
        if self.driver is not None:
            self.driver()
            return
        if self._sending:
            return  # a signal handler of the user's that prints, inside a send: the loop below takes it along
        self._sending = True
        try:
            while self.send_some():
                pass
        except BaseException:  # noqa: BLE001 - with half a frame sent, there is no way on
            self.lost()
        self._sending = False

    def send(self, header: bytes, body: bytes | memoryview) -> None:
        """Send one frame, after what is waiting; blocks where the host does not read. Not where there is a driver."""
        if self._parts or self._sending or len(body) > SEND_BYTES:
            self.put(header, body)
            self.flush()
            return
        self._sending = True
        data = header + body
        try:
            sent = self.sock.send(data)
        except BaseException:  # noqa: BLE001 - with half a frame sent, there is no way on
            self.lost()
        self._sending = False
        if sent < len(data) or self._parts:
            self._parts.insert(0, memoryview(data)[sent:])
            self.size += len(data) - sent
            self.flush()

    def send_some(self) -> bool:
        """Hand the kernel as much as it takes in one call; true if there is more.

        Raises `BlockingIOError` and other `OSError`s.
        """
        parts, sock = self._parts, self.sock
        if not parts:
            return False
        if self.size <= SEND_BYTES:
            if len(parts) > 1:
                parts[:] = [b"".join(parts)]
            sent = sock.send(parts[0])
        else:
            sent = sock.sendmsg(parts[:SEND_PARTS_MAX])
        self.size -= sent
        whole = 0
        for part in parts:
            if len(part) > sent:
                break
            sent -= len(part)
            whole += 1
        del parts[:whole]
        if sent:
            parts[0] = memoryview(parts[0])[sent:]
        return bool(parts)

    def answer(self, call: int, codec: int, body: bytes | Draft, amount: int) -> tuple[bytes, bytes | memoryview]:
        """The END of a call as header and body: a large one is written to shared memory. Takes the lock for that.

        Raises `Oversized`, `IllegalTransition`.
        """
        arenas, connection = self.arenas, self.connection
        if len(body) >= self.segment_from and arenas is not None and len(body) <= connection.limits.frame_bytes_max:
            with self.lock:
                region = arenas.place(connection, body)
                if region is not None:
                    return connection.lend_end(call, codec, region, amount), b""
        return connection.end_header(call, codec, len(body), amount), whole(body)

    def call(self, frame: Frame, body: bytes | Draft) -> tuple[bytes, bytes | memoryview]:
        """A CALL as header and body; a large body goes to shared memory. Raises `Oversized`, `IllegalTransition`."""
        arenas, connection = self.arenas, self.connection
        if len(body) >= self.segment_from and arenas is not None and len(body) <= connection.limits.frame_bytes_max:
            region = arenas.place(connection, body)
            if region is not None:
                lending = frame._replace(flags=frame.flags | Flag.SEGMENT, body=region.pack())
                return connection.flagged_header(lending), lending.body
        given = whole(body)
        _, _, codecs, index, call, amount, entries, _ = frame
        return connection.stream_header(call, index, codecs, len(given), amount, entries), given

    def item(self, call: int, codec: int, body: bytes | Draft) -> tuple[bytes, bytes | memoryview]:
        """An ITEM as header and body; a large one is written to shared memory. Look at the credit first.

        Raises `Oversized`, `IllegalTransition`.
        """
        arenas, connection = self.arenas, self.connection
        if len(body) >= self.segment_from and arenas is not None and len(body) <= connection.limits.frame_bytes_max:
            region = arenas.place(connection, body)
            if region is not None:
                return connection.lend_item(call, codec, region), b""
        return connection.item_header(call, codec, len(body)), whole(body)

    def pong(self, body: bytes) -> None:
        """Answer a PING; who is asked whether it still lives, and has nothing to do, keeps no memory for results."""
        self.put(self.connection.pong(body))
        if self.arenas is not None and self.connection.at_rest:
            self.arenas.trim()

    def give_back(self) -> None:
        """Release the regions that nothing refers to any more, with the next batch."""
        with suppress(IllegalTransition):
            while self.freed:
                self.put(self.connection.release(self.freed.popleft()))

    def report(self, call: int, body: bytes) -> None:
        """Send an event at once."""
        with self.lock:
            self.put(self.connection.event(body, call))
            self.flush()

    def lost(self) -> NoReturn:
        """End at once, user code or not: without its host a worker has nothing to live for."""
        os._exit(_EX_IOERR)

    def abandon(self) -> None:
        """Forget everything: this is a forked child, and what is here belongs to its parent."""
        self.lock = RLock()
        self._parts = []
        self.size = 0
