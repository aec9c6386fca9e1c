"""Connections to one server, each used by one operation at a time, and made anew with growing pauses.

A pool of our own, since asyncpg's asks the server to reset a connection each time that it comes back, fails where there
is no room for one more connection though another would be free soon, and tries a server that is down without a pause.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres.driver import ERRORS, Refused, Trouble, bounded, connect, failed, kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.options import PostgresOptions

AGAIN_MAX = 5
"""Times that one operation is tried anew where others stood in its way: hosts that meet so often do so no more."""
DOUBLINGS_MAX = 30
"""Of a pause: past it the longest one is long reached, and the number would only grow."""
CLOSED = "the task store is closed"
Answer = TypeVar("Answer")


class Pool:
    """The connections of one host. For one loop."""

    def __init__(self, options: PostgresOptions, *, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives numbers from 0 up to 1, for the pauses."""
        self.options = options
        self.barred = CLOSED
        """Why nothing may be asked for at all, where it may not: the schema is another's."""
        self.connect: Callable[[], Awaitable[Wire]] = partial(connect, options)
        self._chance = chance
        self._idle: list[Wire] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[Wire | None]] = deque()
        self._failures = 0
        self._again_at = 0.0
        self._why = ""

    @property
    def size(self) -> int:
        """How many connections there are."""
        return self._open

    async def run(
        self, work: Callable[[Wire], Awaitable[Answer]], *, writes: bool = False, size: int = 0, repeats: bool = False
    ) -> Answer:
        """Do some work on a connection. `size` is what it sends, in bytes; `repeats`: harmless to do twice.

        Raises `StoreFailed`; its `unsure` is where it `writes`, and the connection was lost on the way.
        """
        while True:
            try:
                return await self._work(work, writes=writes, size=size)
            except Lost as error:
                if not repeats:
                    raise StoreFailed(str(error), unsure=writes) from None
                repeats = False

    def open(self) -> None:
        """Let connections be made."""
        self.barred = ""

    def check(self) -> None:
        """Raise `StoreFailed` where nothing may be asked for."""
        if self.barred:
            raise StoreFailed(self.barred)

    async def close(self) -> None:
        """Let go of all connections."""
        self.barred = CLOSED
        while self._wake():
            pass  # each is told that it is closed
        idle, self._idle = self._idle, []
        self._open -= len(idle)
        await asyncio.gather(*map(farewell, idle))
        await asyncio.sleep(0)  # what was cut is closed in the loop's next turn

    def drop(self) -> None:
        """Cut those that nobody uses: what was wrong with one is wrong with all."""
        for wire in self._idle:
            wire.terminate()
        self._open -= len(self._idle)
        self._idle.clear()

    async def _work(self, work: Callable[[Wire], Awaitable[Answer]], *, writes: bool, size: int) -> Answer:
        wire = await self._take()
        timeout_s = self.options.timeout_s + size / self.options.bytes_per_s
        try:
            with bounded(wire, timeout_s):
                answer = await self._attempt(work, wire)
        except TimeoutError:
            self._discard(wire)
            where = self.options.address
            raise StoreFailed(
                f"the task store at {where} (Postgres): no answer within {timeout_s:.3g}s", unsure=writes
            ) from None
        except ERRORS as error:
            raise self._failed(wire, error) from None
        except BaseException:
            # Whoever asked went away: what the connection is in the middle of is nobody's.
            self._discard(wire)
            raise
        self._give(wire)
        return answer

    async def _attempt(self, work: Callable[[Wire], Awaitable[Answer]], wire: Wire) -> Answer:
        for _ in range(AGAIN_MAX):
            try:
                return await work(wire)
            except ERRORS as error:
                if kind(error) is not Trouble.AGAIN:
                    raise
        return await work(wire)

    def _failed(self, wire: Wire, error: BaseException) -> StoreFailed:
        trouble = kind(error)
        if trouble is Trouble.LOST or wire.is_closed():
            self._discard(wire)
            return Lost(str(failed(error, self.options)))
        if trouble is Trouble.ELSEWHERE:
            self._discard(wire)
            self.drop()
        else:
            self._give(wire)
        return Refused(str(failed(error, self.options))) if trouble is Trouble.REFUSED else failed(error, self.options)

    async def _take(self) -> Wire:
        """A connection: one that is free, a new one, or one that somebody gives back in time."""
        clock = asyncio.get_running_loop().time
        end = clock() + self.options.patience_s
        while True:
            wire = self._free()
            if wire is None and self._open < self.options.connections and clock() >= self._again_at:
                wire = await self._connect()
            if wire is None:
                pause_s = self._again_at - clock() if self._open < self.options.connections else end - clock()
                wire = await self._wait(min(max(pause_s, 0.001), end - clock()))
            if wire is not None and not wire.is_closed():
                return wire
            if wire is not None:
                self._open -= 1
            elif clock() >= end:
                raise StoreFailed(self._why or f"the task store at {self.options.address}: all connections are in use")

    def _free(self) -> Wire | None:
        self.check()
        return self._idle.pop() if self._idle else None

    async def _connect(self) -> Wire | None:
        self._open += 1
        wire = None
        try:
            wire = await self.connect()
            self._failures, self._why = 0, ""
        except StoreFailed as error:
            self._failures = min(self._failures + 1, DOUBLINGS_MAX)
            self._again_at = asyncio.get_running_loop().time() + pause_s(self.options, self._failures, self._chance())
            self._why = str(error)
        finally:
            if wire is None:
                self._open -= 1
                self._wake()  # the room for it is the next one's
        return wire

    async def _wait(self, within_s: float) -> Wire | None:
        if len(self._waiting) >= self.options.waiting_max:
            raise StoreFailed(f"the task store at {self.options.address}: too many operations wait for a connection")
        waiter: asyncio.Future[Wire | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await asyncio.wait((waiter,), timeout=max(within_s, 0.0))
        except asyncio.CancelledError:
            # What came at the same moment is the next one's: a connection, or the room for one.
            if waiter.done() and (wire := waiter.result()) is not None:
                self._give(wire)
            elif waiter.done():
                self._wake()
            raise
        finally:
            if not waiter.done():
                self._waiting.remove(waiter)
        return waiter.result() if waiter.done() else None

    def _give(self, wire: Wire) -> None:
        if self.barred or wire.is_closed():
            self._discard(wire)
        elif not self._wake(wire):
            self._idle.append(wire)

    def _discard(self, wire: Wire) -> None:
        wire.terminate()
        self._open -= 1
        self._wake()

    def _wake(self, wire: Wire | None = None) -> bool:
        """Give a connection to who has waited longest, or have them make one; whether there was anybody."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(wire)
                return True
        return False


class Lost(StoreFailed):
    """The connection was lost in the middle."""


def pause_s(options: PostgresOptions, failures: int, chance: float) -> float:
    """How long a server that has failed so often is left alone (full jitter; Brooker, AWS Architecture Blog, 2015)."""
    longest_s = min(options.pause_s * 2 ** min(failures - 1, DOUBLINGS_MAX), options.pause_s_max)
    return options.pause_s / 2 + chance * longest_s


async def farewell(wire: Wire) -> None:
    """Close a connection, and cut it where that takes long."""
    try:
        await wire.close(timeout=1.0)
    except (TimeoutError, *ERRORS):
        wire.terminate()
