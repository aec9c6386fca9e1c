"""Where a pool's workers are forked: a zygote, its successor, and those before it that still have children.

In a pool of single-use workers every worker comes from here. In any other a zygote is begun once the first worker has
shown that its source is slow to load; until it is ready, and where it cannot be had, workers are started plainly.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

from dragoman.core.fault import Fault, StartFailed
from dragoman.workers.zygote import Zygote

if TYPE_CHECKING:
    from dragoman.sandbox.confinement import Confinement
    from dragoman.workers.hire import Hired
    from dragoman.workers.pool import Pool
    from dragoman.workers.source import SourceLaunch
    from dragoman.workers.worker import Worker

TRIES_MAX = 3
"""Zygotes in a row that may be killed while they fork one worker, before its start counts as failed."""
SILENT_S_MAX = 8.0
"""A zygote that has not carried out an order for this long is stopped or wedged: longer than it may spend on killing
what one child has left."""

AGAIN_S = 10.0
"""A successor that could not be started is tried again after this long; meanwhile the old one goes on."""


class Crew(Protocol):
    """The supervisor, as far as zygotes concern it."""

    pool: Pool

    def let_go(self, worker: Worker, reason: str) -> None:
        """Retire a worker."""
        ...

    def note(self, level: str, message: str, pid: int = 0) -> None:
        """Tell the journal."""
        ...


class Nursery:
    """The zygotes of one pool. Used on its loop."""

    def __init__(self, crew: Crew, source: SourceLaunch, confinement: Confinement) -> None:
        self.zygote: Zygote | None = None
        self._crew = crew
        self._source = source
        self._confinement = confinement
        self._former: set[Zygote] = set()
        self._raising: asyncio.Task[Zygote] | None = None
        self._watching: set[asyncio.Task[None]] = set()
        self._closed = False
        self._refused = False
        self._again_at = 0.0

    @property
    def ready(self) -> bool:
        """Whether a worker can be forked now."""
        return self.zygote is not None and self.zygote.usable

    async def hire(self) -> Hired:
        """Fork a worker, once there is a zygote. Raises `StartFailed`."""
        for left in range(TRIES_MAX, 0, -1):
            zygote = await self._usable()
            try:
                return await zygote.fork()
            except StartFailed:
                if zygote.usable or left == 1:
                    raise
        raise AssertionError("a loop that returns or raises")

    async def fork(self) -> Hired | None:
        """Fork a worker if that can be done now."""
        if self.zygote is None or not self.zygote.usable:
            return None
        try:
            return await self.zygote.fork()
        except StartFailed:
            return None

    def begin(self) -> None:
        """Have a zygote in a while; where the source cannot be forked, none, without any ado."""
        if self.zygote is None and not self._closed and not self._refused:
            self._raise().add_done_callback(self._not_to_be)

    def look_after(self) -> None:
        """Once a second: replace what is old, has grown or forked enough, end what nobody needs, kill what is stuck."""
        for zygote in (self.zygote, *self._former):
            if zygote is not None and not zygote.gone and zygote.forking.unanswered_s() > SILENT_S_MAX:
                zygote.kill("the zygote no longer answers")
        now = self._crew.pool.clock.monotonic()
        if (
            self.zygote is not None
            and self._raising is None
            and now >= self._again_at
            and (reason := self._overdue(self.zygote))
        ):
            self._again_at = now + AGAIN_S
            self._raise().add_done_callback(lambda task: self._succeed(task, reason))
        for zygote in self._former:
            if not zygote.gone and not zygote.forking.children:
                zygote.dismiss()

    async def aclose(self) -> None:
        """End every zygote; their children are gone, or are killed with them."""
        self._closed = True
        if self._raising is not None:
            self._raising.cancel()
            with contextlib.suppress(asyncio.CancelledError, Fault):
                await self._raising
        for zygote in (self.zygote, *self._former):
            if zygote is not None and not zygote.gone:
                if zygote.forking.children:
                    zygote.kill("its source is stopping")
                else:
                    zygote.dismiss()
        if self._watching:
            await asyncio.wait(self._watching)

    async def _usable(self) -> Zygote:
        if self.zygote is not None and self.zygote.usable:
            return self.zygote
        # Shared by all that wait for it: one that gives up must not end it for the others.
        return await asyncio.shield(self._raise())

    def _raise(self) -> asyncio.Task[Zygote]:
        if self._raising is None:
            self._raising = self._crew.pool.loop.create_task(self._raised())
            self._raising.add_done_callback(_seen)
        return self._raising

    async def _raised(self) -> Zygote:
        try:
            zygote = Zygote(self._crew.pool, self._source)
            await zygote.start(self._confinement)
        finally:
            self._raising = None
        task = self._crew.pool.loop.create_task(self._watch(zygote))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        former, self.zygote = self.zygote, zygote
        if former is not None and not former.gone:
            former.retire()
            self._former.add(former)
        return zygote

    async def _watch(self, zygote: Zygote) -> None:
        await zygote.watch()
        self._former.discard(zygote)
        if self.zygote is zygote:
            self.zygote = None
            if not self._closed:
                reason = zygote.hired.worker.stopping_reason
                self._crew.note("warning", f"the zygote ended: {reason}", zygote.pid)

    def _overdue(self, zygote: Zygote) -> str:
        """Why a zygote of single-use workers is due to be replaced; empty where it is not."""
        options = self._crew.pool.options
        if not options.single_use or not zygote.usable:
            return ""
        if options.recycle_calls and zygote.forking.forks >= options.recycle_calls:
            return f"it has forked {zygote.forking.forks} workers"
        if options.recycle_age_s and zygote.age_s >= options.recycle_age_s:
            return f"it is {zygote.age_s:.0f}s old"
        if options.recycle_memory_bytes and (size := zygote.resident_bytes()) >= options.recycle_memory_bytes:
            return f"it uses {size // 1024 // 1024} MB"
        return ""

    def _succeed(self, task: asyncio.Task[Zygote], reason: str) -> None:
        """A successor is there, or is not: let workers go that the former has forked and that have no call yet."""
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._crew.note("error", f"the zygote should be replaced ({reason}), and cannot: {error}")
            return
        self._crew.note("info", f"zygote replaced: {reason}", task.result().pid)
        forked = {child.pid for zygote in self._former for child in zygote.forking.children.values()}
        for worker in list(self._crew.pool.workers):
            if worker.pid in forked and not worker.in_flight:
                self._crew.let_go(worker, "its zygote was replaced")

    def _not_to_be(self, task: asyncio.Task[Zygote]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._refused = True
            self._crew.note("debug", f"workers are started, not forked: {error}")


def _seen(task: asyncio.Task[Zygote]) -> None:
    """Whoever waited for it has been told, or has gone."""
    if not task.cancelled():
        task.exception()
