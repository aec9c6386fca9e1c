"""Confinement by a zygote: each child is a fork of a process that has loaded everything already.

The host makes the pipes and sends them to the zygote with the order, and from then on talks to it over a socket of that
child's own, as it does to a keeper. Attributes that the zygote was started with (limits, folder, environment, no new
privileges) hold for its children too.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

from dragoman.sandbox.child import Child
from dragoman.sandbox.packets import Packets
from dragoman.sandbox.spawning import WIRE_VARIABLE

if TYPE_CHECKING:
    import socket

    from dragoman.sandbox.confinement import Launch

LOST = "the zygote ended before it could fork the worker"


class ForkConfinement:
    """Has one zygote fork children. Used from one event loop, by any number of its tasks.

    `broken` is true once the zygote cannot be ordered any more. Of a launch only the further descriptors count.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Take over the host's end of the socket that the zygote reads orders from; on the running loop."""
        self.broken = False
        self.forks = 0
        self.children: dict[int, Child] = {}
        self._loop = asyncio.get_running_loop()
        self._packets = Packets(sock)
        self._packets.attach(self._loop, self._hung_up)
        self._ordered_at: dict[int, float] = {}
        self._last_id = 0

    @property
    def tier(self) -> str:
        """What is in force: that of the zygote."""
        return "base"

    def unanswered_s(self) -> float:
        """Seconds since the oldest order, to fork or to kill, that has not been carried out; 0 where there is none."""
        return self._loop.time() - min(self._ordered_at.values()) if self._ordered_at else 0.0

    async def start(self, launch: Launch, wire_fd: int | None) -> Child:
        """Fork a child that inherits `wire_fd`; see the port. Raises `OSError`, `broken` where the zygote is gone."""
        if self.broken or wire_fd is None:
            raise BrokenPipeError(errno.EPIPE, LOST)
        theirs: list[int] = []
        self._last_id += 1
        number = self._last_id
        child: Child | None = None
        ordered = False
        try:
            child = Child.prepare(number, theirs)
            child.on_ended = self._ended
            child.on_stuck = self._stuck
            self.children[number] = child
            self._ordered_at[number] = self._loop.time()
            names = (WIRE_VARIABLE, *launch.fds)
            await self._order(" ".join(names).encode(), [*theirs, wire_fd, *launch.fds.values()])
            ordered = True
            self.forks += 1
            while theirs:
                os.close(theirs.pop())
            await child.started
        except BaseException:
            if child is not None:
                child.abandon(ordered=ordered)
            raise
        finally:
            self._ordered_at.pop(number, None)
            for fd in theirs:
                os.close(fd)
        return child

    def lost(self) -> None:
        """The zygote has ended, and everything below it: so have its children."""
        self.broken = True
        for child in tuple(self.children.values()):
            child.forget()
        self._packets.close(BrokenPipeError(errno.EPIPE, LOST))

    async def aclose(self) -> None:
        """Kill every child, and wait until their trees are gone. Whoever started the zygote ends it."""
        children = tuple(self.children.values())
        for child in children:
            child.kill()
        if children:
            await asyncio.wait([asyncio.ensure_future(child.wait()) for child in children])

    async def _order(self, data: bytes, fds: list[int]) -> None:
        try:
            await self._packets.order(data, fds)
        except OSError:
            self.broken = True
            raise

    def _ended(self, child: Child) -> None:
        self.children.pop(child.id, None)
        self._ordered_at.pop(child.id, None)

    def _stuck(self, child: Child) -> None:
        self._ordered_at.setdefault(child.id, self._loop.time())

    def _hung_up(self) -> None:
        """The zygote says nothing here: this is its end, and its process is being watched."""
        self.broken = True
        self._packets.deafen()
