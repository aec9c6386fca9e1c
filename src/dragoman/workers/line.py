"""The wait line of a pool: bounded, and left at no cost by whoever gives up.

The more important calls go first; among equals, first come first served. Calls that functions make have a line of
their own, served before all others: their callers keep workers busy until they are answered. In one line with calls
from outside they would wait for those to finish, which wait for the same workers.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.workers.exchange import Exchange

RANKS = 3
"""Priorities of calls, of which the first goes first."""
NORMAL = RANKS + 1
"""Where nearly all wait: normal calls from outside."""


class WaitLine:
    """Exchanges that wait for a worker, by the ids of their calls.

    Invariant: an exchange in it has no answer; whoever settles one takes it out.
    """

    def __init__(self, limit: int) -> None:
        """`limit` bounds those that wait from outside, and those that functions have made."""
        # In the order in which they are served: the ranks of calls that functions make, then those from outside.
        self._lines: tuple[OrderedDict[int, Exchange], ...] = tuple(OrderedDict() for _ in range(2 * RANKS))
        self._normal = self._lines[NORMAL]
        self._count = 0
        self._limit = limit

    def __len__(self) -> int:
        return self._count

    @property
    def waiting(self) -> Mapping[int, Exchange]:
        """Those in line, by call id."""
        return {call_id: exchange for line in self._lines for call_id, exchange in line.items()}

    @property
    def newest_nested(self) -> Exchange | None:
        """The newest of the least important calls in line that functions have made."""
        for line in reversed(self._lines[:RANKS]):
            if line:
                return line[next(reversed(line))]
        return None

    def holds_nested(self, call_id: int) -> bool:
        """Whether this call is in line, and a function has made it."""
        return any(call_id in line for line in self._lines[:RANKS])

    def join(self, exchange: Exchange) -> bool:
        """Take a place behind those that matter as much. False when the line is full."""
        if self._count >= self._limit and sum(map(len, self._like(exchange))) >= self._limit:
            return False
        self._line_of(exchange)[exchange.call.id] = exchange
        self._count += 1
        return True

    def displace(self, exchange: Exchange) -> Exchange | None:
        """Take the newest of the least important out of a full line, for one that matters more; None without one."""
        for line in reversed(self._like(exchange)[exchange.call.priority + 1 :]):
            if line:
                self._count -= 1
                return line.popitem()[1]
        return None

    def rejoin(self, exchange: Exchange) -> None:
        """Take a place at the front, for one that had its turn and lost its worker: it was counted in before."""
        line = self._line_of(exchange)
        self._count += exchange.call.id not in line
        line[exchange.call.id] = exchange
        line.move_to_end(exchange.call.id, last=False)

    def leave(self, exchange: Exchange) -> None:
        """Give up a place."""
        if self._line_of(exchange).pop(exchange.call.id, None) is not None:
            self._count -= 1

    def next(self) -> Exchange | None:
        """The first, out of the line; `None` when nobody waits."""
        if not self._count:
            return None
        line = self._normal
        if len(line) != self._count:
            line = next(line for line in self._lines if line)
        self._count -= 1
        return line.popitem(last=False)[1]

    def head_arrived_at(self) -> float | None:
        """When the one in line arrived who waits longest, in monotonic seconds; `None` when nobody waits."""
        return min((next(iter(line.values())).call.arrived_at for line in self._lines if line), default=None)

    def _like(self, exchange: Exchange) -> tuple[OrderedDict[int, Exchange], ...]:
        """The lines of calls that come from where this one comes."""
        return self._lines[:RANKS] if exchange.call.depth else self._lines[RANKS:]

    def _line_of(self, exchange: Exchange) -> OrderedDict[int, Exchange]:
        call = exchange.call
        if call.depth:
            return self._lines[call.priority]
        return self._normal if call.priority == 1 else self._lines[RANKS + call.priority]
