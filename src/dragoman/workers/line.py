"""The wait line of a pool: bounded, first come first served, and left at no cost by whoever gives up.

Calls that functions make have a line of their own, served first: their callers keep workers busy until they are
answered. In one line with calls from outside they would wait for those to finish, which wait for the same workers.
"""

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
        self.nested: OrderedDict[int, Exchange] = OrderedDict()
        self._waiting: OrderedDict[int, Exchange] = OrderedDict()
        self._limit = limit

    def __len__(self) -> int:
        return len(self.nested) + len(self._waiting)

    @property
    def waiting(self) -> Mapping[int, Exchange]:
        """Those in line, by call id."""
        return {**self.nested, **self._waiting}

    def join(self, exchange: Exchange) -> bool:
        """Take a place at the end. False when the line is full."""
        line = self._line_of(exchange)
        if len(line) >= self._limit:
            return False
        line[exchange.call.id] = exchange
        return True

    def rejoin(self, exchange: Exchange) -> None:
        """Take a place at the front, for one that had its turn and lost its worker: it was counted in before."""
        line = self._line_of(exchange)
        line[exchange.call.id] = exchange
        line.move_to_end(exchange.call.id, last=False)

    def leave(self, exchange: Exchange) -> None:
        """Give up a place."""
        self._line_of(exchange).pop(exchange.call.id, None)

    def next(self) -> Exchange | None:
        """The first, out of the line; `None` when nobody waits."""
        line = self.nested or self._waiting
        return line.popitem(last=False)[1] if line else None

    def head_arrived_at(self) -> float | None:
        """When the first in line arrived, in monotonic seconds; `None` when nobody waits."""
        heads = [next(iter(line.values())).call.arrived_at for line in (self.nested, self._waiting) if line]
        return min(heads, default=None)

    def _line_of(self, exchange: Exchange) -> OrderedDict[int, Exchange]:
        return self.nested if exchange.call.depth else self._waiting
