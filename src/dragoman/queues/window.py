"""How many messages a consumer holds: those that can run at once, and as many more as end within a moment.

A queue of calls in front of a pool only makes each of them later, and keeps from other hosts what they could do. So the
line is as long as it takes for nobody to stand idle while the next batch is fetched (Little's law: rate times time),
and no longer: of a function that takes a second, one waits.
"""

from __future__ import annotations

HORIZON_S = 0.02
"""A batch is fetched in a millisecond or two, and the loop may be busy for ten."""
TICK_S = 0.01
WEIGHT = 0.5
"""Of the latest rate in the mean: a function that has become slow is known after a few ticks."""


class Window:
    """The bound of one consumer, which follows how fast messages are done with."""

    def __init__(self, ahead_max: int, now: float) -> None:
        self._ahead_max = ahead_max
        self._rate = 0.0
        self._count = 0
        self._since = now

    def done(self, count: int) -> None:
        """Messages are done with."""
        self._count += count

    def ahead(self, now: float) -> int:
        """Messages that may be held beyond those that run; at least one."""
        elapsed = now - self._since
        if elapsed >= TICK_S:
            self._rate += WEIGHT * (self._count / elapsed - self._rate)
            self._count, self._since = 0, now
        return min(1 + int(self._rate * HORIZON_S), self._ahead_max)
