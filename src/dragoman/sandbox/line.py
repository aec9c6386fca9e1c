"""The host's line to one spawner process: starting it, sending it orders, hearing its answers and its end."""

from __future__ import annotations

import array
import errno
import os
import socket
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.sandbox import order as orders

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

_ROOT = str(Path(__file__).resolve().parents[2])
CODE = """
import sys
sys.path.insert(0, sys.argv[1])
facade = sys.modules["dragoman"] = type(sys)("dragoman")
facade.__path__ = [sys.argv[1] + "/dragoman"]
from dragoman.sandbox.spawner import main
main(sys.argv[2:])
"""
"""What the spawner runs. It has no use for the package's facade, whose imports take longer than all of its own."""

_LOST = "the spawner ended before it could start the worker"


class Line:
    """A spawner and the socket to it. Usable before there is a loop; `attach` makes it live."""

    def __init__(self, preload: Sequence[str] = ()) -> None:
        """Start the spawner: 1 ms, without a fork of this process. It is ready some 15 ms later."""
        self.lost = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[tuple[bytes, list[int], asyncio.Future[None]]] = deque()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = (_ROOT, str(theirs.fileno()), str(os.getpid()), *preload)
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter, on this package's own module
                    (sys.executable, "-I", "-S", "-X", "utf8", "-c", CODE, *arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env={},
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
                self._exit_fd = os.pidfd_open(self._process.pid)
            except BaseException:
                self._socket.close()
                raise
        self._socket.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self.pid = self._process.pid

    def attach(
        self, loop: asyncio.AbstractEventLoop, on_answer: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """Hear the spawner on `loop`: each answer as its bytes, and its end, once."""
        self._loop = loop
        self._on_answer = on_answer
        self._on_lost = on_lost
        loop.add_reader(self._socket.fileno(), self._read)
        loop.add_reader(self._exit_fd, self._ended)

    @property
    def attached(self) -> bool:
        """True once `attach` was called."""
        return self._loop is not None

    def close(self, budget_s: float) -> None:
        """Hang up, which ends the spawner and all its trees, and wait for that. Blocks: milliseconds as a rule."""
        self._hang_up()
        try:
            self._process.wait(budget_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def post(self, data: bytes) -> None:
        """Send a packet that may be lost: an order to a spawner that is busy or dead."""
        try:
            self._socket.send(data)
        except OSError:
            return

    async def order(self, data: bytes, fds: list[int]) -> None:
        """Send an order and its descriptors, which stay the caller's. Raises `OSError` if the spawner ends first."""
        if len(data) <= orders.PACKET_BYTES_MAX:
            await self._transmit(orders.START + data, fds)
            return
        file_fd = orders.to_file(data)
        try:
            await self._transmit(orders.START_IN_FILE, [*fds, file_fd])
        finally:
            os.close(file_fd)

    async def _transmit(self, data: bytes, fds: list[int]) -> None:
        """Send behind those that wait already: the kernel holds about ten packets (`net.unix.max_dgram_qlen`)."""
        if self.lost:
            raise BrokenPipeError(errno.EPIPE, _LOST)
        if not self._waiting and self._sent(data, fds):
            return
        assert self._loop is not None, "order() before attach()"
        done: asyncio.Future[None] = self._loop.create_future()
        if not self._waiting:
            self._loop.add_writer(self._socket.fileno(), self._write)
        self._waiting.append((data, fds, done))
        await done

    def _sent(self, data: bytes, fds: list[int]) -> bool:
        try:
            self._socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        except BlockingIOError:
            return False
        return True

    def _write(self) -> None:
        while self._waiting:
            if not self._settled(*self._waiting[0]):
                return
            self._waiting.popleft()
        if self._loop is not None:
            self._loop.remove_writer(self._socket.fileno())

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

    def _read(self) -> None:
        try:
            data = orders.receive(self._socket)
        except BlockingIOError:
            return
        if data:
            self._on_answer(data)
        elif self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())  # its end is announced by the pidfd

    def _ended(self) -> None:
        while True:  # what it said last comes before the news of its end
            try:
                data = orders.receive(self._socket)
            except BlockingIOError:
                break
            if not data:
                break
            self._on_answer(data)
        self._hang_up()
        self._process.wait()  # it has ended: this only collects it
        self._on_lost()

    def _hang_up(self) -> None:
        if self.lost:
            return
        self.lost = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._loop.remove_reader(self._exit_fd)
        self._socket.close()
        os.close(self._exit_fd)
        for _, _, done in self._waiting:
            if not done.done():
                done.set_exception(BrokenPipeError(errno.EPIPE, _LOST))
        self._waiting.clear()
