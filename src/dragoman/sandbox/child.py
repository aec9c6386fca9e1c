"""One started child, as its host sees it: a socket to its keeper, and two futures.

ordered ── STARTED ──► running ── ENDED ──────────────────────► ended
   │                      │
   └── FAILED ──► ended   └── end of file (its keeper was killed) ──► swept by the spawner ──► ended
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import TYPE_CHECKING

from dragoman.sandbox import order as orders
from dragoman.sandbox import tree
from dragoman.sandbox.confinement import Exit

if TYPE_CHECKING:
    from collections.abc import Callable

KEEPER_S_MAX = 0.3
"""How long a keeper may take to kill its tree before the spawner kills the keeper: it may be stopped itself."""

KILLED = -int(signal.SIGKILL)


class Child:
    """A process started through the spawner; implements the port's `Process`.

    `survived` is true where some process of the tree could not be ended in time (it sits in the kernel).
    """

    def __init__(self, id: int, control: socket.socket, stdout_fd: int, stderr_fd: int) -> None:  # noqa: A002 - the field's name
        """Take over the host's ends: the socket to the keeper, and the pipes, until `started` has a result."""
        self.id = id
        self.pid = 0
        self.stdout_fd = stdout_fd
        self.stderr_fd = stderr_fd
        self.survived = False
        self._loop = asyncio.get_running_loop()
        self.started: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[Exit] = self._loop.create_future()
        self._control = control
        self._lost = False
        self._bereft = False
        self._escalation: asyncio.TimerHandle | None = None
        self.on_ended: Callable[[Child], None] = lambda _: None
        self.on_stuck: Callable[[Child], None] = lambda _: None
        control.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._loop.add_reader(control.fileno(), self._read)

    @classmethod
    def prepare(cls, id: int, theirs: list[int]) -> Child:  # noqa: A002 - the field's name
        """Make a child's channels, and append the other ends to `theirs`: control, stdout, stderr."""
        ours, keepers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.append(keepers.detach())
        readers: list[int] = []
        try:
            for _ in ("stdout", "stderr"):
                read_fd, write_fd = os.pipe()
                readers.append(read_fd)
                theirs.append(write_fd)
                os.set_blocking(read_fd, False)
            return cls(id, ours, *readers)
        except BaseException:
            ours.close()
            for fd in readers:
                os.close(fd)
            raise

    async def wait(self) -> Exit:
        """Wait until the child has ended and its whole tree is gone."""
        return await asyncio.shield(self._ended)

    @property
    def ended(self) -> bool:
        """True once the child and its tree are gone."""
        return self._ended.done()

    def kill(self) -> None:
        """Have the whole tree killed; `wait` tells when it is gone. Returns at once; harmless after the end."""
        if self._ended.done() or self._escalation is not None:
            return
        self._escalation = self._loop.call_later(KEEPER_S_MAX, self._stuck)
        try:
            self._control.send(orders.KILL)
        except OSError:
            return  # the keeper is gone: its end of file is on the way

    def abandon(self, *, ordered: bool) -> None:
        """Give up a start: kill what may have been started, close the pipes."""
        os.close(self.stdout_fd)
        os.close(self.stderr_fd)
        if ordered:
            self.kill()
        else:
            self._finish(KILLED)

    def swept(self) -> None:
        """The keeper was killed, and the spawner has ended what it left."""
        self._finish(KILLED)

    def bereave(self) -> None:
        """The spawner is dead: nobody will sweep for a killed keeper any more."""
        self._bereft = True
        if self._lost:
            self._end_session()

    def forget(self) -> None:
        """The spawner has ended with all its trees: nothing more will be heard, and the socket must not stay open."""
        if self._loop.is_closed():
            self._control.close()
        else:
            self._finish(KILLED)

    def _stuck(self) -> None:
        self._escalation = None
        self.on_stuck(self)
        self._escalation = self._loop.call_later(KEEPER_S_MAX, self._stuck)

    def _read(self) -> None:
        """Take all that was said: of a socket that a peer has reset uvloop tells no second time."""
        while not self._ended.done():
            try:
                data = orders.receive(self._control)
            except BlockingIOError:
                return
            if not data:
                self._keeper_died()
                return
            self._hear(data)

    def _hear(self, data: bytes) -> None:
        kind, first, second, text = orders.read_answer(data)
        if kind == orders.STARTED:
            self.pid = first
            if not self.started.done():
                self.started.set_result(None)
        elif kind == orders.FAILED:
            if not self.started.done():
                self.started.set_exception(OSError(first, text))
            self._finish(KILLED)
        elif kind == orders.ENDED:
            self.survived = bool(second)
            self._finish(first)

    def _keeper_died(self) -> None:
        self._lost = True
        self._loop.remove_reader(self._control.fileno())
        if self._bereft:
            self._end_session()

    def _end_session(self) -> None:
        if self.pid:
            tree.strike_session(self.pid)
        self._finish(KILLED)

    def _finish(self, status: int) -> None:
        if self._ended.done():
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self._control.fileno())
        self._control.close()
        if self._escalation is not None:
            self._escalation.cancel()
        if not self.started.done():
            self.started.set_exception(ChildProcessError("the worker's keeper was killed before it could start it"))
            self.started.exception()  # seen: the starter may be gone
        self._ended.set_result(Exit(status))
        self.on_ended(self)
