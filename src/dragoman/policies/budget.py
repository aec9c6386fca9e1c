"""A budget for further attempts: a share of the calls, so that trouble brings little more work for being trouble.

A token bucket in the manner of Finagle's `RetryBudget` and gRPC's retry throttling (gRFC A6): each call adds its share,
each further attempt takes one. A small reserve lets a function that is seldom called have some too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.core.clock import Clock

RESERVE = 10.0
"""There from the start, so that the first calls of a function may be tried again too."""
REFILL_S = 10.0
"""One token of the reserve comes back in this time: a function called once a minute never earns a share of much."""
TOKENS_MAX = 50.0
"""What good times save up at most: so many further attempts at once, on top of the share, when they end."""
_ROUNDING = 1e-9


class Budget:
    """Tokens for further attempts. Each call is told by `calls += 1`, which is all that it costs one."""

    __slots__ = ("_asked_at", "_clock", "_reserve", "_share", "_tokens", "calls")

    def __init__(self, share: float, clock: Clock) -> None:
        """`share` is how many further attempts there may be per call; with 0 there is no reserve either."""
        self.calls = 0
        self._share = share
        self._reserve = RESERVE if share > 0 else 0.0
        self._tokens = self._reserve
        self._clock = clock
        self._asked_at = clock.monotonic()

    @property
    def tokens(self) -> float:
        """How many further attempts there may be now."""
        earned = self._tokens + self.calls * self._share
        if earned < self._reserve:
            waited_s = self._clock.monotonic() - self._asked_at
            earned = min(earned + waited_s / REFILL_S, self._reserve)
        return min(earned, TOKENS_MAX)

    def take(self) -> bool:
        """Take a token for one further attempt, if there is one."""
        tokens = self.tokens
        there = tokens >= 1 - _ROUNDING
        self._tokens = tokens - 1 if there else tokens
        self._asked_at = self._clock.monotonic()
        self.calls = 0
        return there
