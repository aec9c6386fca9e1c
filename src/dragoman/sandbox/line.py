"""The host's line to one spawner process: starting it, sending it orders, hearing its answers and its end."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.sandbox import order as orders
from dragoman.sandbox.packets import Packets

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
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
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
                ours.close()
                raise
        self._packets = Packets(ours)
        self.pid = self._process.pid

    def attach(
        self, loop: asyncio.AbstractEventLoop, on_answer: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """Hear the spawner on `loop`: each answer as its bytes, and its end, once."""
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._packets.attach(loop, self._read)
        loop.add_reader(self._exit_fd, self._ended)

    @property
    def attached(self) -> bool:
        """True once `attach` was called."""
        return self._packets.loop is not None

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
        self._packets.post(data)

    async def order(self, data: bytes, fds: list[int]) -> None:
        """Send an order and its descriptors, which stay the caller's. Raises `OSError` if the spawner ends first."""
        if self.lost:
            raise BrokenPipeError(errno.EPIPE, _LOST)
        await self._packets.order(data, fds)

    def _read(self) -> None:
        try:
            data = orders.receive(self._packets.socket)
        except BlockingIOError:
            return
        if data:
            self._on_answer(data)
        else:
            self._packets.deafen()  # its end is announced by the pidfd

    def _ended(self) -> None:
        while True:  # what it said last comes before the news of its end
            try:
                data = orders.receive(self._packets.socket)
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
        loop = self._packets.loop
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._exit_fd)
        self._packets.close(BrokenPipeError(errno.EPIPE, _LOST))
        os.close(self._exit_fd)
