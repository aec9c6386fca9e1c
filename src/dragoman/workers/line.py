"""The wait line of a pool: bounded, first come first served, and left at no cost by whoever gives up."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.workers.exchange import Exchange


class WaitLine:
    """Exchanges that wait for a worker, by the ids of their calls.

    Invariant: an exchange in it has no answer; whoever settles one takes it out.
    """

    def __init__(self, limit: int) -> None:
        self._waiting: OrderedDict[int, Exchange] = OrderedDict()
        self._limit = limit

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> Mapping[int, Exchange]:
        """Those in line, by call id."""
        return self._waiting

    def join(self, exchange: Exchange) -> bool:
        """Take a place at the end. False when the line is full."""
        if len(self._waiting) >= self._limit:
            return False
        self._waiting[exchange.call.id] = exchange
        return True

    def rejoin(self, exchange: Exchange) -> None:
        """Take a place at the front, for one that had its turn and lost its worker: it was counted in before."""
        self._waiting[exchange.call.id] = exchange
        self._waiting.move_to_end(exchange.call.id, last=False)

    def leave(self, exchange: Exchange) -> None:
        """Give up a place."""
        self._waiting.pop(exchange.call.id, None)

    def next(self) -> Exchange | None:
        """The first, out of the line; `None` when nobody waits."""
        return self._waiting.popitem(last=False)[1] if self._waiting else None

    def head_arrived_at(self) -> float | None:
        """When the first in line arrived, in monotonic seconds; `None` when nobody waits."""
        return next(iter(self._waiting.values())).call.arrived_at if self._waiting else None
