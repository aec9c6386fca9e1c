"""Confinement by a spawner: the base tier, in force wherever Linux runs.

The host makes the pipes, sends them to the spawner with the order, and from then on talks to the worker's keeper over a
socket of its own. Everything here is a non-blocking read or write of a few bytes on the loop: no thread, no child
watcher, no fork of the host.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from dragoman.sandbox import order as orders
from dragoman.sandbox.child import Child
from dragoman.sandbox.confinement import Launch, Limits
from dragoman.sandbox.keeper import FIRST_FD
from dragoman.sandbox.line import Line
from dragoman.sandbox.order import Order

if TYPE_CHECKING:
    from collections.abc import Sequence

CLOSE_S_MAX = 6.0
"""How long closing waits for the trees to end: a little longer than a keeper tries."""

FILES_MIN = 16
MEMORY_BYTES_MIN = 16 * 1024 * 1024
"""Below these a keeper, which lives under its worker's limits, could not do its own work."""

WIRE_VARIABLE = "DRAGOMAN_WIRE_FD"

FDS_MAX = orders.DESCRIPTORS_MAX - 5
"""Further descriptors of a worker: what an order holds beside control, stdout, stderr, wire and a file of its own."""


class SpawnerConfinement:
    """Starts children from a small spawner process. Used from one event loop, by any number of its tasks.

    Invariant: whatever is killed in between (a worker, its keeper, the spawner, this process), every process that a
    worker ever started is killed too.
    """

    def __init__(self, preload: Sequence[str] = ()) -> None:
        """Start nothing yet. `preload` names the modules of entries, to be imported once, in the spawner."""
        self._preload = tuple(preload)
        self._line: Line | None = None
        self._closed = False
        self._last_id = 0
        self._children: dict[int, Child] = {}

    @classmethod
    def launch(cls, preload: Sequence[str] = ()) -> SpawnerConfinement:
        """Start the spawner now, before there is a loop, so that its start overlaps with the host's own."""
        confinement = cls(preload)
        confinement._line = Line(confinement._preload)
        return confinement

    @property
    def tier(self) -> str:
        """What is in force: no new privileges, limits, chosen descriptors, a session of its own, whole-tree kill."""
        return "base"

    @property
    def spawner_pid(self) -> int:
        """The spawner's process id; 0 while there is none."""
        return self._line.pid if self._line else 0

    async def start(self, launch: Launch, wire_fd: int | None) -> Child:
        """Start a child that inherits `wire_fd`; see the port. A spawner that has died is replaced first."""
        check(launch, wired=wire_fd is not None)
        line = self._ready()
        theirs: list[int] = []
        child: Child | None = None
        ordered = False
        try:
            child = self._prepare(theirs)
            wire = () if wire_fd is None else (wire_fd,)
            await line.order(_order(child.id, launch), [*theirs, *wire, *launch.fds.values()])
            ordered = True
            while theirs:
                os.close(theirs.pop())
            await child.started
        except BaseException:
            if child is not None:
                child.abandon(ordered=ordered)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        return child

    async def aclose(self) -> None:
        """Kill every child, wait until their trees are gone, and end the spawner."""
        self._closed = True
        children = tuple(self._children.values())
        for child in children:
            child.kill()
        if children:
            await asyncio.wait([asyncio.ensure_future(child.wait()) for child in children], timeout=CLOSE_S_MAX)
        self.close()

    def close(self) -> None:
        """End the spawner, and with it every child, where no loop runs (any more). Blocks: milliseconds as a rule."""
        self._closed = True
        if self._line is not None:
            self._line.close(CLOSE_S_MAX)
            self._spawner_lost()
        for child in tuple(self._children.values()):
            child.forget()

    async def report(self, limits: Limits | None = None) -> dict[str, Any]:
        """Start a probe under `limits` and let it tell what is really in force around it.

        Returns `tier`, and from the probe `no_new_privileges`, `own_session`, `orphans_adopted`, `descriptors`,
        `environment` (names) and `limits` (name to value, -1 for none). Raises `OSError` where it cannot be started.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            probe = Launch(entry="dragoman.sandbox.probe:main", limits=limits or Limits())
            child = await self.start(probe, theirs.fileno())
            try:
                ended = await child.wait()  # so that all writers are gone, and no read can block
                told = os.read(child.stdout_fd, 64 * 1024)
                complaint = os.read(child.stderr_fd, 4 * 1024)
            finally:
                os.close(child.stdout_fd)
                os.close(child.stderr_fd)
        if ended.status or not told:
            message = f"the confinement's probe ended with {ended}: {complaint.decode(errors='replace').strip()}"
            raise OSError(errno.EIO, message)
        return {"tier": self.tier, **json.loads(told)}

    def _ready(self) -> Line:
        if self._closed:
            raise OSError(errno.ESHUTDOWN, "this confinement is closed and starts nothing any more")
        if self._line is None:
            self._line = Line(self._preload)
        if not self._line.attached:
            self._line.attach(asyncio.get_running_loop(), self._answered, self._spawner_lost)
        return self._line

    def _spawner_lost(self) -> None:
        self._line = None
        for child in tuple(self._children.values()):
            child.bereave()

    def _answered(self, data: bytes) -> None:
        """Take the spawner's only answer: a keeper was killed, and its orphans are gone now."""
        _, order_id, _, _ = orders.read_answer(data)
        if (child := self._children.get(order_id)) is not None:
            child.swept()

    def _prepare(self, theirs: list[int]) -> Child:
        self._last_id += 1
        child = Child.prepare(self._last_id, theirs)
        child.on_ended = self._ended
        child.on_stuck = self._stuck
        self._children[child.id] = child
        return child

    def _ended(self, child: Child) -> None:
        self._children.pop(child.id, None)

    def _stuck(self, child: Child) -> None:
        if self._line is not None:
            self._line.post(orders.REMOVE + str(child.id).encode())


def _order(order_id: int, launch: Launch) -> bytes:
    limits = launch.limits
    return Order(
        order_id,
        (launch.argv, launch.entry),
        dict(launch.env),
        launch.cwd,
        (limits.memory_bytes, limits.files, limits.processes, limits.file_bytes, limits.core_bytes),
        (*((WIRE_VARIABLE,) if launch.wired else ()), *launch.fds),
    ).pack()


def check(launch: Launch, *, wired: bool = True) -> None:
    """Refuse what no keeper could do. Raises `OSError` (EINVAL) that says what to change."""
    limits = launch.limits
    problem = ""
    if bool(launch.argv) == bool(launch.entry):
        problem = "a launch is either a program (argv) or an entry, and not both"
    elif launch.wired is not wired or (launch.entry and not wired):
        problem = "a wired program, and every entry, is given a descriptor for the wire, and no other program is"
    elif len(launch.fds) > FDS_MAX:
        problem = f"{len(launch.fds)} further descriptors are asked for; at most {FDS_MAX} can be handed over"
    elif 0 < limits.files < FILES_MIN + len(launch.fds) + FIRST_FD:
        problem = f"a limit of {limits.files} open files leaves none to work with; give at least 32"
    elif 0 < limits.memory_bytes < MEMORY_BYTES_MIN:
        problem = f"a memory limit of {limits.memory_bytes} bytes starts nothing; give at least {MEMORY_BYTES_MIN}"
    if problem:
        raise OSError(errno.EINVAL, problem)
