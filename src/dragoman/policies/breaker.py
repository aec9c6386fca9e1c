"""A circuit breaker: what fails, or crawls, too often is left alone for a while, and then tried carefully."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BreakerOptions:
    """When it opens, and how it closes again.

    It opens where, over the last `window_s` seconds and of at least `calls_min` calls, the share of faults reaches
    `failure_rate`, or that of calls slower than `slow_s` seconds (0: none is slow) reaches `slow_rate`; for `open_s`
    seconds. Then up to `probes` calls at a time try whether it is over, and as many in a row must go well.
    """

    window_s: float = 10.0
    calls_min: int = 20
    failure_rate: float = 0.5
    slow_s: float = 0.0
    slow_rate: float = 0.5
    open_s: float = 5.0
    probes: int = 3
