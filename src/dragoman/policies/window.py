"""What became of the calls of the last seconds: a rolling window of a fixed number of buckets.

As in Hystrix and resilience4j's time-based window: a call goes into the bucket of its moment, and the oldest bucket is
taken off the sums as a whole when time moves on. So a call costs the same however many there are, and so does memory.
"""

from __future__ import annotations

BUCKETS = 10
"""The window moves in steps of a tenth of its length; more would cost memory and change no decision."""


class Window:
    """Sums over the last `span_s` seconds, less up to one bucket: calls, those that failed, and those that were slow.

    Sums are as of the last `add` or `roll`. Whoever counts calls that went well on a hot path may do without `add`:
    `roll` once `ends_at` has come, and then `fresh += 1`.
    """

    __slots__ = ("_bucket_s", "_calls", "_failed", "_number", "_slow", "ends_at", "failed", "fresh", "past", "slow")

    def __init__(self, span_s: float) -> None:
        self._bucket_s = span_s / BUCKETS
        self._calls = [0] * BUCKETS
        self._failed = [0] * BUCKETS
        self._slow = [0] * BUCKETS
        self._number = 0
        self.ends_at = self._bucket_s
        self.fresh = self.past = 0
        self.failed = self.slow = 0

    @property
    def calls(self) -> int:
        """All calls: those of the newest bucket, and those of the ones before."""
        return self.past + self.fresh

    def add(self, now: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count a call that ended at `now`, in seconds on a clock that never goes back."""
        if now >= self.ends_at:
            self.roll(now)
        self.fresh += 1
        if failed:
            self._failed[self._number % BUCKETS] += 1
            self.failed += 1
        if slow:
            self._slow[self._number % BUCKETS] += 1
            self.slow += 1

    def roll(self, now: float) -> None:
        """Forget what is too old at `now`."""
        number = int(now / self._bucket_s)
        if number <= self._number:
            return
        self._calls[self._number % BUCKETS] = self.fresh
        self.past += self.fresh
        self.fresh = 0
        for slot in {old % BUCKETS for old in range(self._number + 1, min(number, self._number + BUCKETS) + 1)}:
            self.past -= self._calls[slot]
            self.failed -= self._failed[slot]
            self.slow -= self._slow[slot]
            self._calls[slot] = self._failed[slot] = self._slow[slot] = 0
        self._number = number
        self.ends_at = (number + 1) * self._bucket_s

    def clear(self) -> None:
        """Forget everything."""
        for counters in (self._calls, self._failed, self._slow):
            counters[:] = [0] * BUCKETS
        self.fresh = self.past = self.failed = self.slow = 0
