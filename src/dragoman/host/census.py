"""What the store of tasks says of itself, for whoever scrapes: asked once a second at most, and not waited for long."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.core.fault import Fault
from dragoman.telemetry.task_meter import Census, Standing

if TYPE_CHECKING:
    from dragoman.core.clock import Clock

PATIENCE_S = 2.0
"""How long a scrape waits: scrapers give up after ten seconds, and have more to read."""
FRESH_S = 1.0
"""For how long an answer is as good as a new one."""


class Counted(Protocol):
    """Tasks that can be counted."""

    async def census(self) -> dict[str, Any]:
        """How many there are, of each function and in each state. Raises `Fault`."""
        ...


class Counting(Protocol):
    """A host's tasks, which may have no store yet."""

    @property
    def present(self) -> bool:
        """Whether there may be tasks already."""
        ...

    @property
    def tasks(self) -> Counted:
        """The tasks."""
        ...


class HostCensus:
    """Asks the tasks of one host."""

    def __init__(self, tasking: Counting, clock: Clock) -> None:
        self._tasking = tasking
        self._clock = clock
        self._asking: asyncio.Task[Census] | None = None
        self._asked_at = 0.0

    async def __call__(self) -> Census | None:
        """What there is; None where there is no store yet."""
        if not self._tasking.present:
            return None
        now = self._clock.monotonic()
        asking = self._asking
        if asking is None or (asking.done() and now - self._asked_at >= FRESH_S):
            asking = self._asking = asyncio.ensure_future(self._ask())
            self._asked_at = now
        await asyncio.wait((asking,), timeout=PATIENCE_S)
        return asking.result() if asking.done() else Census(up=False)

    async def _ask(self) -> Census:
        try:
            counted = await self._tasking.tasks.census()
        except Fault:
            return Census(up=False)
        now = self._clock.now()
        return Census(up=True, standings=[standing(function, told, now) for function, told in counted.items()])


def standing(function: str, told: dict[str, Any], now: float) -> Standing:
    """What a census says of one function, at a moment in seconds since the epoch."""
    oldest = told["oldest"]
    age_s = None if oldest is None else now - datetime.fromisoformat(oldest).timestamp()
    return Standing(function, told["states"], age_s)
