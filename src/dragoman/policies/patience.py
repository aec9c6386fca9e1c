"""The deadlines of calls that wait in a layer, on one timer.

A timer for each would cost more than the wait itself is worth (1.8 µs on the fastest loop at hand). What is no longer
waited for stays in the heap as an empty entry, which holds no call and no body.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

from dragoman.core.deadline import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.clock import Timer
    from dragoman.policies.surroundings import Surroundings

SLACK = 1024
"""Empty entries are always tolerated up to here, so that small heaps are never swept."""

W = TypeVar("W")


class Entry(Generic[W]):
    """One wait, ordered by when it ends; `waiter` is None once nobody waits."""

    __slots__ = ("deadline", "number", "waiter")

    def __init__(self, deadline: float, number: int, waiter: W | None) -> None:
        self.deadline = deadline
        self.number = number
        self.waiter = waiter

    def __lt__(self, other: Entry[W]) -> bool:
        return (self.deadline, self.number) < (other.deadline, other.number)


class Patience(Generic[W]):
    """Tells `expire(waiter)` at the deadline of each that still waits by then."""

    def __init__(self, surroundings: Surroundings, expire: Callable[[W], None]) -> None:
        self._clock = surroundings.clock
        self._call_later = surroundings.call_later
        self._expire = expire
        self._heap: list[Entry[W]] = []
        self._waiting = 0
        self._numbers = count()
        self._timer: Timer | None = None
        self._armed_at = NEVER

    def __len__(self) -> int:
        return self._waiting

    @property
    def entries(self) -> int:
        """Places in memory that they take, with those left by who waits no more."""
        return len(self._heap)

    def watch(self, waiter: W, deadline: float) -> Entry[W] | None:
        """Watch a wait, which ends at a moment on the monotonic clock; None where it never does."""
        if deadline == NEVER:
            return None
        entry = Entry(deadline, next(self._numbers), waiter)
        heapq.heappush(self._heap, entry)
        self._waiting += 1
        if deadline < self._armed_at:
            self._arm(deadline)
        return entry

    def forget(self, entry: Entry[W] | None) -> None:
        """It waits no more. Harmless when repeated."""
        if entry is None or entry.waiter is None:
            return
        entry.waiter = None
        self._waiting -= 1
        if not self._waiting:
            self._heap.clear()
            self._disarm()
        elif len(self._heap) > 2 * self._waiting + SLACK:
            self._heap = [each for each in self._heap if each.waiter is not None]
            heapq.heapify(self._heap)

    def _arm(self, deadline: float) -> None:
        self._disarm()
        self._armed_at = deadline
        self._timer = self._call_later(max(deadline - self._clock.monotonic(), 0.0), self._ring)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._armed_at = None, NEVER

    def _ring(self) -> None:
        self._timer, self._armed_at = None, NEVER
        now = self._clock.monotonic()
        while self._heap and (self._heap[0].waiter is None or self._heap[0].deadline <= now):
            entry = heapq.heappop(self._heap)
            waiter = entry.waiter
            if waiter is not None:
                self.forget(entry)
                self._expire(waiter)
        if self._heap and self._heap[0].deadline < self._armed_at:
            self._arm(self._heap[0].deadline)
