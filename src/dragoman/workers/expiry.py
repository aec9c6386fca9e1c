"""Deadlines of many calls on one timer.

A timer per call costs 1.8 µs on the fastest loop at hand, and nearly every one is cancelled. Here a call costs a push
on a heap (0.2 µs: deadlines mostly come in order) and ending it costs nothing: what has settled is thrown out when it
comes to the top, or when it makes up more than half of the heap. What has settled leaves its entry empty: bodies are
never kept for as long as their deadlines.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from dragoman.core.deadline import NEVER
from dragoman.workers.exchange import EXCHANGE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from dragoman.core.clock import Clock
    from dragoman.workers.exchange import Exchange

SLACK = 1024
"""Settled entries that are always tolerated, so that small heaps are never swept."""


class Expiry:
    """Calls `expire(exchange)` at each exchange's deadline, unless it settled or its stream ended before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, expire: Callable[[Exchange], None]) -> None:
        self._loop = loop
        self._clock = clock
        self._expire = expire
        self._heap: list[list[Any]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at = NEVER
        self._bound = 2 * SLACK

    def __len__(self) -> int:
        return len(self._heap)

    def watch(self, exchange: Exchange) -> None:
        """Watch an exchange whose call has a deadline; without one this does nothing."""
        call = exchange.call
        deadline = call.deadline
        if deadline == NEVER:
            return
        heap = self._heap
        entry = exchange.watch = [deadline, call.id, exchange]
        heapq.heappush(heap, entry)
        if deadline < self._armed_at:
            self._arm(deadline)
        if len(heap) > self._bound:
            self._sweep()

    def close(self) -> None:
        """Forget everything; nothing expires any more."""
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._armed_at = None, NEVER

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_at = deadline
        self._timer = self._loop.call_later(max(deadline - self._clock.monotonic(), 0.0), self._fire)

    def _fire(self) -> None:
        self._timer, self._armed_at = None, NEVER
        heap, now = self._heap, self._clock.monotonic()
        while heap and (heap[0][0] <= now or heap[0][EXCHANGE] is None):
            exchange: Exchange | None = heapq.heappop(heap)[EXCHANGE]
            if exchange is not None and not exchange.over:
                self._expire(exchange)
        if heap:
            self._arm(heap[0][0])

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[EXCHANGE] is not None]
        heapq.heapify(self._heap)
        self._bound = 2 * len(self._heap) + 2 * SLACK
