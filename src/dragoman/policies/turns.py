"""Who is next among calls that wait in a layer: the more important first, and callers in turns.

The order within one priority is round robin over callers (Nagle, RFC 970; the discipline of fair queuing, Demers,
Keshav and Shenker 1989, for jobs of one size), first come first served within one caller. A caller that has its share
of the places, or had the last turn, is passed over while another waits. So nobody starves the rest, not even with
calls that are all `critical`; and nobody is passed over who waits alone (max-min fairness).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from dragoman.core.service import Pending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core.call import Call
    from dragoman.core.service import Service
    from dragoman.policies.patience import Entry

RANKS = 3
"""The priorities, of which the first goes first."""


class Waiter(Pending):
    """The reply of a call that has to wait before it may begin. `caller` is whose share it counts to."""

    __slots__ = ("call", "caller", "entry", "service")

    def __init__(self, call: Call, service: Service, caller: str) -> None:
        super().__init__()
        self.call = call
        self.service = service
        self.caller = caller
        self.entry: Entry[Waiter] | None = None


class Turns:
    """Waiters, in the order in which they will be served."""

    def __init__(self, size: int, places: int) -> None:
        """One caller's share is `size` of those that wait and `places` of those that run, while others want them.

        Without `places` all waiters are to be of one caller: nobody is told apart.
        """
        self._size = size
        self._places = places
        self._ranks: tuple[OrderedDict[str, OrderedDict[Waiter, None]], ...] = tuple(
            OrderedDict() for _ in range(RANKS)
        )
        self._waiting: dict[str, int] = {}
        self._greedy: set[str] = set()
        self._last: str | None = None
        self.count = 0

    @property
    def callers(self) -> Mapping[str, int]:
        """How many of each caller's calls wait."""
        return self._waiting

    def join(self, waiter: Waiter) -> None:
        """Wait at the end."""
        caller = waiter.caller
        rank = self._ranks[waiter.call.priority]
        own = rank.get(caller)
        if own is None:
            own = rank[caller] = OrderedDict()
        own[waiter] = None
        self._count(caller, 1)

    def leave(self, waiter: Waiter) -> bool:
        """Wait no more; false for one that does not."""
        rank = self._ranks[waiter.call.priority]
        own = rank.get(waiter.caller)
        if own is None or waiter not in own:
            return False
        del own[waiter]
        if not own:
            del rank[waiter.caller]
        self._count(waiter.caller, -1)
        return True

    def next(self, running: Mapping[str, int]) -> Waiter:
        """The first, out of the line, given how many calls of each caller run. Somebody must be waiting."""
        if not self._places:
            rank = next(rank for rank in self._ranks if rank)
            return self._take(rank, next(iter(rank)))
        best: tuple[int, int, str] | None = None
        for number, rank in enumerate(self._ranks):
            # Few are passed over: those that have their share of the places, and the last one.
            for caller in rank:
                passed_over = 2 * (running.get(caller, 0) >= self._places) + (caller == self._last)
                if best is None or passed_over < best[0]:
                    best = passed_over, number, caller
                if not passed_over:
                    break
            if best is not None and not best[0]:
                break
        assert best is not None, "somebody waits"
        _, number, caller = best
        return self._take(self._ranks[number], caller)

    def displaced(self, call: Call, caller: str) -> Waiter | None:
        """The one, out of a full line, whose place this call has a better right to: the newest of them.

        That is one of whoever has more than its share of the line, for a caller that has less; else one that is less
        important, which must be a call of its own for a caller that has its share.
        """
        waiting = self._waiting.get(caller, 0)
        if waiting < self._size and self._greedy:
            return self._newest(max(self._greedy, key=lambda each: self._waiting[each]), 0)
        return self._newest(None if waiting < self._size else caller, call.priority + 1)

    def _newest(self, caller: str | None, most: int) -> Waiter | None:
        """The newest of the least important waiters, down to priority `most`; of all callers, or of one."""
        for rank in reversed(self._ranks[most:]):
            whose = caller if caller is not None else next(reversed(rank), None)
            if whose is not None and (own := rank.get(whose)):
                waiter = next(reversed(own))
                self.leave(waiter)
                return waiter
        return None

    def _take(self, rank: OrderedDict[str, OrderedDict[Waiter, None]], caller: str) -> Waiter:
        own = rank[caller]
        waiter, _ = own.popitem(last=False)
        if own:
            rank.move_to_end(caller)
        else:
            del rank[caller]
        self._last = caller
        self._count(caller, -1)
        return waiter

    def _count(self, caller: str, change: int) -> None:
        self.count += change
        waiting = self._waiting[caller] = self._waiting.get(caller, 0) + change
        if not waiting:
            del self._waiting[caller]
        if waiting > self._size:
            self._greedy.add(caller)
        else:
            self._greedy.discard(caller)
