"""Who of the other runners is dead: whose process has gone, or whose count stood still for the length of a lease.

Time is the watcher's own, on its monotonic clock, and counts only while it looks: one that was itself asleep has seen
nobody stand still meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dragoman.tasks.task import Beat, Runner

LOOKS = 3
"""Looks in a lease: one that is late, or fails, is no death."""
INTERVAL_S_MAX = 5.0
"""However long the lease is: by these looks a host also hears of what no word came of, and of a clock that was set."""
SLACK = 1.5
"""A look that comes later than this many intervals counts as if it came then."""


class Watched:
    """A runner: its count when it was last seen to move, and for how many seconds it was seen to stand still."""

    __slots__ = ("count", "still_s")

    def __init__(self, count: int) -> None:
        self.count = count
        self.still_s = 0.0


class Vigil:
    """Watches the runners of a store."""

    def __init__(self, lease_s: float, now: Callable[[], float], gone: Callable[[Runner], bool]) -> None:
        """`now` is on the monotonic clock; `gone` says that a runner's process has certainly ended."""
        self._lease_s = lease_s
        self._now = now
        self._gone = gone
        self._watched: dict[str, Watched] = {}
        self._looked_at: float | None = None

    @property
    def interval_s(self) -> float:
        """How often to look."""
        return min(self._lease_s / LOOKS, INTERVAL_S_MAX)

    def look(self, beats: Iterable[Beat], own: Iterable[str]) -> list[str]:
        """Those that are dead, by id. `own` are never among them."""
        now = self._now()
        passed_s = 0.0 if self._looked_at is None else min(now - self._looked_at, SLACK * self.interval_s)
        self._looked_at = now
        watched, mine, dead = dict[str, Watched](), set(own), list[str]()
        for beat in beats:
            id_ = beat.runner.id
            if id_ in mine:
                continue
            each = self._watched.get(id_)
            if each is None or each.count != beat.count:
                each = Watched(beat.count)
            else:
                each.still_s += passed_s
            watched[id_] = each
            if self._gone(beat.runner) or each.still_s >= self._lease_s:
                dead.append(id_)
        self._watched = watched
        return dead
