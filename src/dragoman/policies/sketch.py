"""How long calls took of late: a histogram whose buckets grow by a constant factor, and which forgets by halves.

The buckets are DDSketch's (Masson, Rim and Lee, VLDB 2019): a percentile is off by at most `GROWTH`, whatever the
distribution, in a memory that never grows. Recent calls weigh more because every count is halved now and then, which is
exponential decay by number of calls, in steps.
"""

from __future__ import annotations

import math

GROWTH = 1.1
"""Each bucket ends a tenth higher than the one before: a percentile is at most that much too high."""
LEAST_S = 1e-5
"""What is quicker counts as this: a call that goes through a process takes longer."""
MOST_S = 3600.0
"""What is slower counts as this: nobody sends a second call for one that takes an hour."""
RECENT = 2048
"""With so many calls counted, all counts are halved: calls from before the last few thousand hardly matter."""

_PER_BUCKET = 1 / math.log(GROWTH)
_FIRST = math.log(LEAST_S) * _PER_BUCKET
BUCKETS = math.ceil(math.log(MOST_S) * _PER_BUCKET - _FIRST) + 1


class Sketch:
    """Counts of durations, and percentiles of them, in seconds."""

    __slots__ = ("_counts", "_highest", "count")

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self._highest = 0
        self.count = 0
        """How many there are; after a halving, what weight they have."""

    def add(self, took_s: float) -> None:
        """Count a duration."""
        bucket = int(math.log(took_s) * _PER_BUCKET - _FIRST) if took_s > LEAST_S else 0
        if bucket > self._highest:
            bucket = self._highest = min(bucket, BUCKETS - 1)
        self._counts[bucket] += 1
        self.count += 1
        if self.count >= RECENT:
            self._halve()

    def percentile(self, percent: float) -> float:
        """The duration that `percent` percent of them stay within, `GROWTH` too high at most; 0 with none of them."""
        if not self.count:
            return 0.0
        beyond = self.count * (100 - percent) / 100
        seen = 0
        for bucket in range(self._highest, -1, -1):
            seen += self._counts[bucket]
            if seen > beyond:
                return LEAST_S * GROWTH ** (bucket + 1)
        return LEAST_S * GROWTH

    def _halve(self) -> None:
        self._counts = [count // 2 for count in self._counts]
        self.count = sum(self._counts)
        self._highest = max((bucket for bucket, count in enumerate(self._counts) if count), default=0)
