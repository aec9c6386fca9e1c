"""A limit on calls in flight that follows their latency.

The algorithm is `Gradient2Limit` of Netflix's concurrency-limits (https://github.com/Netflix/concurrency-limits,
Apache-2.0), once per window of samples: the ratio of the long-term latency to the present one, from 0.5 to 1, shrinks
the limit, the square root of the limit is allowed to queue, and the result is smoothed. It differs in this:

- The long-term latency is that of the work alone, from dispatch, where that is told; so a queue of ours does not make
  its own latency the usual one, as it does there after some minutes.
- Where the least limit makes no difference, the long-term latency rises quickly until it is bearable: what is slow
  there is not slow for a queue. It rises slowly while calls are turned away and nobody tells when the work began.
- Latency may grow by `SLACK_S` in any case: a queue that short is no overload.
- A window in which calls were turned away is never taken for one with too little to do.
"""

from __future__ import annotations

import math

LONG_WINDOWS = 600
"""Windows over which the long-term latency is averaged, as in concurrency-limits; at ten a second a minute."""
QUICK_WINDOWS = 10
"""So many where the least limit makes no difference."""
SLOW_WINDOWS = 6000
"""And so many where it may well be a queue that makes calls slow: the ten minutes of concurrency-limits."""
SMOOTHING = 0.2
"""Share of a new limit in the next one, as in concurrency-limits."""
DROP_MAX = 0.5
"""An outlier takes no more than this factor off the limit, before smoothing."""
LEAST = 1 / (1 - DROP_MAX) ** 2
"""Below it the root of the limit is more than the greatest drop: it comes down no further by itself."""
ODD, DECAY = 2.0, 0.9
"""A long-term latency so many times the present one decays by this factor a window: the slow time is over."""
SLACK_S = 0.005
"""The standing queue that CoDel tolerates (RFC 8289, TARGET)."""


class Gradient:
    """The limit, and the long-term latency (seconds) that it is measured by."""

    def __init__(self, first: int, bounds: tuple[int, int], tolerance: float) -> None:
        """`bounds` are the least and the greatest limit; latency may grow to `tolerance` times its usual value."""
        self._least, self._most = map(float, bounds)
        self._tolerance = tolerance
        self._windows = 0
        self._relearning = False
        self.limit = max(self._least, min(float(first), self._most))
        self.long_s = 0.0

    def update(self, latency_s: float, work_s: float, in_flight: int, *, refused: bool) -> None:
        """Take one window: the mean latency, that of the work alone, most calls in flight, and if any was refused."""
        self._learn(work_s, told=work_s < latency_s, refused=refused)
        limit = self.limit
        if in_flight < limit / 2 and not refused:
            return
        bearable_s = max(self._tolerance * self.long_s, self.long_s + SLACK_S)
        gradient = max(DROP_MAX, min(1.0, bearable_s / latency_s)) if latency_s > 0 else 1.0
        wanted = limit * gradient + math.sqrt(limit)
        self.limit = max(self._least, min(limit + (wanted - limit) * SMOOTHING, self._most))

    def _learn(self, work_s: float, *, told: bool, refused: bool) -> None:
        self._windows += 1
        windows = min(self._windows, LONG_WINDOWS)
        if work_s <= self.long_s * self._tolerance:
            self._relearning = False
        elif self.limit < max(self._least, LEAST) + 0.5:
            self._relearning = True
        if self._relearning:
            windows = min(windows, QUICK_WINDOWS)
        elif work_s > self.long_s and self._windows > QUICK_WINDOWS and refused and not told:
            windows = SLOW_WINDOWS
        self.long_s += (work_s - self.long_s) / windows
        if self.long_s > ODD * work_s:
            self.long_s *= DECAY
