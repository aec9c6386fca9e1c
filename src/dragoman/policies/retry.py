"""Trying again what failed in a way that may pass: with growing, random pauses, and within a budget.

What never began may always be tried again; what did, only if the function is idempotent. A stream is not, once it has
begun, and neither is a call whose input is streamed in. Pauses are "full jitter" (Brooker, *Exponential Backoff And
Jitter*, AWS Architecture Blog, 2015); the budget is a share of the calls, as in Finagle's `RetryBudget`, so that a
service in trouble gets little more work for being in trouble.
"""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.core.fault import PASSING, Code


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """How often, when, and what is tried again.

    `attempts` counts the first one too. Pauses grow from `base_s` to `max_s` seconds. `budget` is the share of calls
    that may be retries. `on` are the codes that are tried again.
    """

    attempts: int = 3
    base_s: float = 0.05
    max_s: float = 2.0
    budget: float = 0.1
    on: frozenset[Code] = PASSING
