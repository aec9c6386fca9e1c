"""The wait line of a pool: bounded, first come first served; whoever leaves it costs nothing until its turn."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.workers.exchange import Exchange


class WaitLine:
    """Exchanges that wait for a worker. Those that settle while they wait are passed over."""

    def __init__(self, limit: int) -> None:
        self._exchanges: deque[Exchange] = deque()
        self._limit = limit
        self._left = 0

    def __len__(self) -> int:
        """How many are really waiting."""
        return len(self._exchanges) - self._left

    def join(self, exchange: Exchange) -> bool:
        """Take a place at the end. False when the line is full."""
        if len(self._exchanges) - self._left >= self._limit:
            return False
        self._exchanges.append(exchange)
        return True

    def rejoin(self, exchange: Exchange) -> None:
        """Take a place at the front, for one that had its turn and lost its worker; it is not counted out again."""
        self._exchanges.appendleft(exchange)

    def leave(self) -> None:
        """Say that an exchange in the line has settled. The caller makes sure that it was in the line."""
        self._left += 1
        if self._left > self._limit:
            self._exchanges = deque(exchange for exchange in self._exchanges if not exchange.done)
            self._left = 0

    def next(self) -> Exchange | None:
        """The first that still waits, out of the line; `None` when nobody does."""
        exchanges = self._exchanges
        while exchanges:
            exchange = exchanges.popleft()
            if not exchange.done:
                return exchange
            self._left -= 1
        return None

    def head_arrived_at(self) -> float | None:
        """When the first in line arrived, in monotonic seconds; `None` when nobody waits."""
        exchanges = self._exchanges
        while exchanges and exchanges[0].done:
            exchanges.popleft()
            self._left -= 1
        return exchanges[0].call.arrived_at if exchanges else None
