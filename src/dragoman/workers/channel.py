"""The host's end of one worker's socket: frames out in batches, bytes in until the kernel has no more.

A raw non-blocking socket on the loop's reader callbacks, without a transport: the batching is ours to decide. Frames
leave once per turn of the loop; the first frame to an idle worker leaves at once, so that it wakes while the host
still works on the next.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

READ_BYTES = 64 * 1024
"""Larger reads cost more for the page faults of their buffer than they save in calls."""
READS_MAX = 32
"""Reads in a row before the loop gets its turn: one body of 2 MB, and no worker starves the others."""
GATHER_MAX = 512
"""Buffers in one `sendmsg`; the kernel takes at most 1024."""
JOIN_BYTES_MAX = 64 * 1024
"""Up to here copying frames together is cheaper than handing the kernel a list of them."""


class Channel:
    """Sends and receives bytes. `on_data` gets what came in, `on_lost` is told once when the other side is gone."""

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        on_data: Callable[[bytes], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.sock = sock
        self._loop = loop
        self._on_data = on_data
        self._on_lost = on_lost
        self._out: list[bytes | memoryview] = []
        self._out_bytes = 0
        self._scheduled = False
        self._blocked = False
        self._deaf = False
        self._open = True
        self._reading = False
        sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
        loop.add_reader(sock.fileno(), self._readable)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._out

    @property
    def blocked(self) -> bool:
        """Whether the other side has not read what the kernel holds for it."""
        return self._blocked

    def send(self, *parts: bytes | memoryview) -> None:
        """Send parts of frames, in order, by the end of this turn of the loop."""
        if self._deaf:
            return
        out = self._out
        for part in parts:
            out.append(part)
            self._out_bytes += len(part)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def hand(self, header: bytes, body: bytes | memoryview) -> None:
        """Send a frame at once, after what is waiting: its worker has nothing else to do."""
        if self._out or self._blocked or not self._open or self._deaf or len(body) > JOIN_BYTES_MAX:
            self.send(header, body)
            self.flush()
            return
        data = header + body
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._hush()
            return
        if sent < len(data):
            self.send(memoryview(data)[sent:])
            self.flush()

    def flush(self) -> None:
        """Send what is waiting as far as the kernel takes it; the rest follows when it takes more."""
        self._scheduled = False
        if self._blocked or not self._open or not self._out:
            return
        try:
            while self._out:
                self._write_some()
        except BlockingIOError:
            self._blocked = True
            self._loop.add_writer(self.sock.fileno(), self._writable)
        except OSError:
            self._hush()

    def close(self) -> None:
        """Stop reading and writing and close the socket. Harmless when repeated."""
        if self._open:
            self.pause()
            self._open = False
            self._deafen()
            self.sock.close()

    def hang_up(self) -> None:
        """End the conversation for whoever reads the socket now, without closing its descriptor under them."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def read(self) -> None:
        """Take what is there now, without waiting to be told of it; nothing where that is being done already."""
        if self._open and not self._reading:
            self._readable()

    def pause(self) -> None:
        """Take the socket off the loop, so that somebody else may read and write it; what is sent meanwhile waits."""
        if self._open:
            self._loop.remove_reader(self.sock.fileno())
            if self._blocked:
                self._loop.remove_writer(self.sock.fileno())
            self._blocked = True

    def resume(self) -> None:
        """Put the socket back on the loop."""
        if self._open:
            self._blocked = False
            self.sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
            self._loop.add_reader(self.sock.fileno(), self._readable)
            self.flush()

    def _hush(self) -> None:
        """Send no more: nobody hears. What the other side said last is still read, and after it the end."""
        self._deafen()
        self.hang_up()

    def _deafen(self) -> None:
        self._deaf = True
        self._out.clear()
        self._out_bytes = 0

    def _write_some(self) -> None:
        out = self._out
        if len(out) == 1:
            data = out[0]
            sent = self.sock.send(data)
            if sent == len(data):
                out.clear()
            else:
                out[0] = memoryview(data)[sent:]
        elif self._out_bytes <= JOIN_BYTES_MAX:
            out[:] = [b"".join(out)]
            sent = 0
        else:
            sent = self.sock.sendmsg(out[:GATHER_MAX])
            _drop(out, sent)
        self._out_bytes -= sent

    def _writable(self) -> None:
        self._loop.remove_writer(self.sock.fileno())
        self._blocked = False
        self.flush()

    def _readable(self) -> None:
        self._reading = True
        ended = self._read_some()
        self._reading = False
        if ended:
            self.close()
            self._on_lost()

    def _read_some(self) -> bool:
        """Read; true where there is nothing more to come."""
        recv, on_data = self.sock.recv, self._on_data
        try:
            for _ in range(READS_MAX):
                data = recv(READ_BYTES)
                if not data:
                    break
                on_data(data)
                if len(data) < READ_BYTES or not self._open:
                    return False
            else:
                return False
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True


def _drop(out: list[bytes | memoryview], count: int) -> None:
    """Drop the first `count` bytes of a list of buffers."""
    whole = 0
    for part in out:
        if len(part) > count:
            break
        count -= len(part)
        whole += 1
    del out[:whole]
    if count:
        out[0] = memoryview(out[0])[count:]
