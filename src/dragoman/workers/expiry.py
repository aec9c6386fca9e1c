"""Deadlines of many calls on one timer.

A timer per call costs 1.8 µs on the fastest loop at hand, and nearly every one is cancelled. Here a call costs a push
on a heap (0.2 µs: deadlines mostly come in order) and ending it costs nothing: ids of calls that are over are thrown
out when they come to the top, or when they make up more than half of the heap. It holds ids and not calls, so that no
body is kept for as long as its deadline.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from dragoman.core.deadline import NEVER

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from dragoman.core.call import Call
    from dragoman.core.clock import Clock
    from dragoman.workers.exchange import Exchange

SLACK = 1024
"""Entries of calls that are over are always tolerated up to here, so that small heaps are never swept."""


class Expiry:
    """Calls `expire(exchange)` at a watched call's deadline, if `live()` still has it by then and it is not over."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        live: Callable[[], Mapping[int, Exchange]],
        expire: Callable[[Exchange], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._live = live
        self._expire = expire
        self._heap: list[tuple[float, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at = NEVER
        self._bound = 2 * SLACK

    def __len__(self) -> int:
        return len(self._heap)

    def watch(self, call: Call) -> None:
        """Watch a call's deadline; without one this does nothing."""
        deadline = call.deadline
        if deadline == NEVER:
            return
        heap = self._heap
        heapq.heappush(heap, (deadline, call.id))
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
        heap, now, live = self._heap, self._clock.monotonic(), self._live()
        while heap and (heap[0][0] <= now or heap[0][1] not in live):
            exchange = live.get(heapq.heappop(heap)[1])
            if exchange is not None and not exchange.over:
                self._expire(exchange)
        if heap:
            self._arm(heap[0][0])

    def _sweep(self) -> None:
        live = self._live()
        self._heap = [entry for entry in self._heap if entry[1] in live]
        heapq.heapify(self._heap)
        self._bound = 2 * len(self._heap) + 2 * SLACK
