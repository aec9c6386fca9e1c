"""A token bucket per key, so that one noisy source cannot drown the log of the others."""

from __future__ import annotations

KEYS_MAX = 4096
"""Keys remembered: far more than sources and functions of one host; past it the oldest is forgotten."""


class Flood:
    """Admits `rate_per_s` lines a second for each key, `burst` at once, and counts the rest.

    Not safe for threads by itself; its owner holds a lock.
    """

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self.rate_per_s = rate_per_s
        self.burst = burst
        self.dropped: dict[str, int] = {}
        self._buckets: dict[str, tuple[float, float]] = {}

    def admit(self, key: str, now: float) -> bool:
        """Take a token at the moment `now`, seconds on a monotonic clock; False, and counted, where none is left."""
        tokens, filled_at = self._buckets.get(key, (float(self.burst), now))
        tokens = min(tokens + (now - filled_at) * self.rate_per_s, self.burst)
        admitted = tokens >= 1
        if key not in self._buckets and len(self._buckets) >= KEYS_MAX:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[key] = (tokens - admitted, now)
        if not admitted:
            self.dropped[key] = self.dropped.get(key, 0) + 1
        return admitted

    def take_dropped(self) -> dict[str, int]:
        """Give what was dropped since the last time, by key, and count anew."""
        dropped, self.dropped = self.dropped, {}
        return dropped
