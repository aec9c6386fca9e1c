"""A budget for further attempts: a share of the calls, so that trouble brings little more work for being trouble.

A token bucket in the manner of Finagle's `RetryBudget` and gRPC's retry throttling (gRFC A6): each call adds its share,
each further attempt takes one. A small reserve lets a function that is seldom called have some too. It is an advance,
which calls pay back before they earn more: on top of the share it would be most of what a small storm has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.core.clock import Clock

RESERVE = 5.0
"""There from the start, so that the first calls of a function may be tried again too; a fifth of 25 calls."""
REFILL_S = 10.0
"""One token of the reserve comes back in this time: a function called once a minute never earns a share of much."""
TOKENS_MAX = 50.0
"""What good times save up at most: so many further attempts at once, on top of the share, when they end."""
_ROUNDING = 1e-9


class Budget:
    """Tokens for further attempts. Each call is told by `calls += 1`, which is all that it costs one."""

    __slots__ = ("_clock", "_counted_at", "_owed", "_reserve", "_share", "_tokens", "calls")

    def __init__(self, share: float, clock: Clock) -> None:
        """`share` is how many further attempts there may be per call; with 0 there is no reserve either."""
        self.calls = 0
        self._share = share
        self._reserve = RESERVE if share > 0 else 0.0
        self._tokens = self._owed = self._reserve
        self._clock = clock
        self._counted_at = clock.monotonic()

    @property
    def tokens(self) -> float:
        """How many further attempts there may be now."""
        self._count()
        return self._tokens

    def take(self) -> bool:
        """Take a token for one further attempt, if there is one."""
        self._count()
        there = self._tokens >= 1 - _ROUNDING
        if there:
            self._tokens -= 1
        return there

    def _count(self) -> None:
        """Add what calls have earned, and what time has lent, since this was done last."""
        now = self._clock.monotonic()
        earned = self.calls * self._share
        paid = min(earned, self._owed)
        tokens = min(self._tokens + earned - paid, TOKENS_MAX)
        lent = max(min((now - self._counted_at) / REFILL_S, self._reserve - tokens), 0.0)
        self._tokens = tokens + lent
        self._owed = min(self._owed - paid + lent, self._reserve)
        self._counted_at = now
        self.calls = 0
