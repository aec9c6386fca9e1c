"""Orders with their descriptors, over a socket that keeps packets apart, behind those that wait already.

The kernel holds about ten packets (`net.unix.max_dgram_qlen`); an eleventh waits here until it takes more.
"""

from __future__ import annotations

import array
import os
import socket
from collections import deque
from typing import TYPE_CHECKING

from dragoman.sandbox import order as orders

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Packets:
    """The host's end of a SEQPACKET socket to a process that starts others. Usable before there is a loop."""

    def __init__(self, sock: socket.socket) -> None:
        """Take the socket over."""
        sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self.socket = sock
        self.loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[tuple[bytes, list[int], asyncio.Future[None]]] = deque()

    def attach(self, loop: asyncio.AbstractEventLoop, on_readable: Callable[[], None]) -> None:
        """Live on `loop` from now on; `on_readable` is called while there is something to receive."""
        self.loop = loop
        loop.add_reader(self.socket.fileno(), on_readable)

    def post(self, data: bytes) -> None:
        """Send a packet that may be lost: an order to a process that is busy or dead."""
        try:
            self.socket.send(data)
        except OSError:
            return

    async def order(self, data: bytes, fds: list[int]) -> None:
        """Send an order and its descriptors, which stay the caller's. Raises `OSError`, also if closed before."""
        if len(data) <= orders.PACKET_BYTES_MAX:
            await self._transmit(orders.START + data, fds)
            return
        file_fd = orders.to_file(data)
        try:
            await self._transmit(orders.START_IN_FILE, [*fds, file_fd])
        finally:
            os.close(file_fd)

    def deafen(self) -> None:
        """Receive nothing more: the end is told in another way."""
        if self.loop is not None:
            self.loop.remove_reader(self.socket.fileno())

    def close(self, error: OSError) -> None:
        """Let go of the socket; orders that still wait fail with `error`. Harmless when repeated."""
        if self.socket.fileno() < 0:
            return
        if self.loop is not None and not self.loop.is_closed():
            self.loop.remove_reader(self.socket.fileno())
            self.loop.remove_writer(self.socket.fileno())
        self.socket.close()
        for _, _, done in self._waiting:
            if not done.done():
                done.set_exception(error)
        self._waiting.clear()

    async def _transmit(self, data: bytes, fds: list[int]) -> None:
        if not self._waiting and self._sent(data, fds):
            return
        assert self.loop is not None, "order() before attach()"
        done: asyncio.Future[None] = self.loop.create_future()
        if not self._waiting:
            self.loop.add_writer(self.socket.fileno(), self._write)
        self._waiting.append((data, fds, done))
        await done

    def _sent(self, data: bytes, fds: list[int]) -> bool:
        try:
            self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        except BlockingIOError:
            return False
        return True

    def _write(self) -> None:
        while self._waiting:
            if not self._settled(*self._waiting[0]):
                return
            self._waiting.popleft()
        if self.loop is not None:
            self.loop.remove_writer(self.socket.fileno())

    def _settled(self, data: bytes, fds: list[int], done: asyncio.Future[None]) -> bool:
        if done.done():
            return True  # its sender was cancelled, and its descriptors are closed
        try:
            if not self._sent(data, fds):
                return False
        except OSError as error:
            done.set_exception(error)
        else:
            done.set_result(None)
        return True
