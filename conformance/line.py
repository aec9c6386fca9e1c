"""One end of a wire, blocking, with a time limit on everything."""

from __future__ import annotations

import select
import socket
import time

from conformance.frames import Frame, unpack

READ_BYTES = 1 << 18


class Broken(AssertionError):  # noqa: N818 - the guest is what is broken
    """What the other side did is not what the specification says."""


class Line:
    """Frames out, frames in."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._received = bytearray()

    def send(self, data: bytes, timeout_s: float = 10.0) -> None:
        """Send bytes, and take what comes meanwhile: two sides that only write would wait for each other for ever.

        A side that does not read them in time is at fault.
        """
        deadline = time.monotonic() + timeout_s
        left = memoryview(data)
        try:
            while left:
                wait_s = deadline - time.monotonic()
                readable, writable, _ = select.select([self.sock], [self.sock], [], max(wait_s, 0))
                if writable:
                    left = left[self.sock.send(left, socket.MSG_DONTWAIT) :]
                elif readable:
                    more = self.sock.recv(READ_BYTES)
                    if not more:
                        return
                    self._received += more
                elif wait_s <= 0:
                    message = f"the other side has not read {len(data)} bytes in {timeout_s:g}s"
                    raise Broken(message)
        except OSError:
            pass  # it has closed: what it said before is still to be read

    def receive(self, timeout_s: float) -> Frame | None:
        """The next frame, or `None` at the end of the stream. Raises `TimeoutError`, or `Broken` for nonsense."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                found = unpack(bytes(self._received)) if len(self._received) < READ_BYTES else unpack(self._received)
            except ValueError as error:
                raise Broken(str(error)) from None
            if found is not None:
                frame, size = found
                frame.body = bytes(frame.body)
                del self._received[:size]
                return frame
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise TimeoutError
            try:
                data = self.sock.recv(READ_BYTES)
            except ConnectionResetError:
                data = b""
            if not data:
                if self._received:
                    message = f"the stream ends inside a frame: {bytes(self._received[:64]).hex()}"
                    raise Broken(message)
                return None
            self._received += data

    def put(self, data: bytes, offset: int) -> None:
        """Write into the arena that the other side reads."""
        message = f"this side has no arena for {len(data)} bytes at {offset}"
        raise Broken(message)

    def get(self, offset: int, size: int) -> bytes:
        """Read from the arena that the other side writes."""
        message = f"this side has no arena with {size} bytes at {offset}"
        raise Broken(message)
