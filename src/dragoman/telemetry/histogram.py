"""Durations, counted in buckets as Prometheus has them."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS_S = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)
"""Upper bounds of the latency buckets, in seconds: from a warm call in this host to the longest sensible timeout."""


class Histogram:
    """Durations of one kind of thing. One costs a bisect and two additions."""

    __slots__ = ("_bounds", "buckets", "seconds")

    def __init__(self, bounds_s: tuple[float, ...] = BOUNDS_S) -> None:
        self._bounds = bounds_s
        self.buckets = [0] * (len(bounds_s) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.seconds += seconds
        self.buckets[bisect_left(self._bounds, seconds)] += 1

    def cumulative(self) -> list[tuple[str, float]]:
        """The buckets as they are exposed: by upper bound, each with those below it."""
        return cumulative(self.buckets.copy(), self._bounds)


def cumulative(buckets: list[int], bounds_s: tuple[float, ...] = BOUNDS_S) -> list[tuple[str, float]]:
    """Buckets by upper bound, each with those below it."""
    total = 0
    found: list[tuple[str, float]] = []
    for label, count in zip((*map(str, bounds_s), "+Inf"), buckets, strict=True):
        total += count
        found.append((label, total))
    return found
