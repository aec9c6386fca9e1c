"""Token buckets, kept as one moment each: when the bucket will be full again.

That is the generic cell rate algorithm (ITU-T I.371, annex A): a call moves the moment on by the time in which one
token comes back, and may pass if the bucket is not empty then. Nothing is refilled, and nothing ticks.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from dragoman.core.call import Allowance


class Measure:
    """The size of a bucket, and how quickly it fills: `burst` tokens, and `limit` more in a second.

    `interval_s` is the time in which one token comes back, `depth_s` that that may be missing from a full one for a
    token to be there; a thousandth of a token, and 10 ns, allow for rounding.
    """

    __slots__ = ("burst", "depth_s", "interval_s", "limit", "quota", "setting", "window_s")

    def __init__(self, setting: str, limit: float, burst: float) -> None:
        """`setting` is the word for it in a project file. No `burst` is a second's worth, at least one."""
        self.setting = setting
        self.limit = limit
        self.burst = burst or second_of(limit)
        self.interval_s = 1 / limit
        self.depth_s = (self.burst - 1) * self.interval_s + self.interval_s / 1000 + 1e-8
        # As draft-ietf-httpapi-ratelimit-headers says it: a quota for a window of whole seconds.
        self.window_s = max(1, math.ceil(self.burst / limit - 1e-9))
        self.quota = math.floor(max(self.burst, limit if self.window_s == 1 else 0))

    def allowance(self, left: float, full_s: float) -> Allowance:
        """What is left, for a caller to see, of a bucket that is full again in so many seconds."""
        whole = int(left + 1e-3) if left > 0.0 else 0
        return Allowance(self.quota, whole, full_s if full_s > 0.0 else 0.0, self.window_s, self.setting)  # noqa: FURB136 - as below


def second_of(limit: float) -> int:
    """The calls of one second, at least one."""
    return max(1, math.floor(limit))


class Bucket:
    """One bucket, for all callers."""

    __slots__ = ("_depth_s", "_full_at", "_interval_s", "measure")

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self._full_at = -math.inf
        self._interval_s = measure.interval_s
        self._depth_s = measure.depth_s

    def ready(self, now: float, caller: str) -> bool:  # noqa: ARG002 - one bucket for all
        """Whether there is a token."""
        return self._full_at - now <= self._depth_s

    def take(self, now: float, caller: str) -> None:  # noqa: ARG002 - one bucket for all
        """Take a token, there or not."""
        full_at = self._full_at
        self._full_at = (full_at if full_at > now else now) + self._interval_s  # noqa: FURB136 - a call less, at every call

    def left(self, now: float, caller: str) -> float:  # noqa: ARG002 - one bucket for all
        """The tokens that are there, parts of one included; fewer than none where more were taken."""
        missing_s = self._full_at - now
        return self.measure.burst - missing_s / self._interval_s if missing_s > 0.0 else self.measure.burst

    def wait_s(self, now: float, caller: str) -> float:
        """Seconds until there is a token, 0 where there is."""
        return 0.0 if self.ready(now, caller) else self._full_at - now - self._depth_s

    def allowance(self, now: float, caller: str) -> Allowance:
        """What it leaves."""
        return self.measure.allowance(self.left(now, caller), self._full_at - now)


class Moments(OrderedDict[str, float]):
    """When the bucket of each caller is full again, for at most `callers_max` of them, the latest used last."""

    def __init__(self, callers_max: int) -> None:
        super().__init__()
        self.callers_max = callers_max


class Buckets:
    """A bucket for each caller. The one that was not used for longest is forgotten for the next: it was full, likely.

    Several may share the moments of one caller, each taking its own time from them.
    """

    __slots__ = ("_depth_s", "_interval_s", "measure", "moments")

    def __init__(self, measure: Measure, moments: Moments) -> None:
        self.measure = measure
        self.moments = moments
        self._interval_s = measure.interval_s
        self._depth_s = measure.depth_s

    def ready(self, now: float, caller: str) -> bool:
        """Whether a caller has a token."""
        return self.moments.get(caller, now) - now <= self._depth_s

    def take(self, now: float, caller: str) -> None:
        """Take a token of a caller, there or not."""
        moments = self.moments
        full_at = moments.get(caller)
        if full_at is None:
            if len(moments) >= moments.callers_max:
                moments.popitem(last=False)
            moments[caller] = now + self._interval_s
        else:
            moments[caller] = (full_at if full_at > now else now) + self._interval_s  # noqa: FURB136 - a call less, at every call
            moments.move_to_end(caller)

    def left(self, now: float, caller: str) -> float:
        """The tokens that a caller has, as a `Bucket` tells them."""
        missing_s = self.moments.get(caller, now) - now
        return self.measure.burst - missing_s / self._interval_s if missing_s > 0.0 else self.measure.burst

    def wait_s(self, now: float, caller: str) -> float:
        """Seconds until a caller has a token, 0 where it has."""
        return 0.0 if self.ready(now, caller) else self.moments[caller] - now - self._depth_s

    def allowance(self, now: float, caller: str) -> Allowance:
        """What a caller has left."""
        return self.measure.allowance(self.left(now, caller), self.moments.get(caller, now) - now)
