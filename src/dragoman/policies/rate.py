"""Rate limits: token buckets per function, per caller, and per caller of a function; of one host or of all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateOptions:
    """Calls a second, 0 for no limit, and how many may come at once (0: one second's worth, at least 1).

    `limit` is for all calls of the function, `caller_limit` for those of one caller, `total_limit` for those of one
    caller to all functions that say so. `shared` counts the calls of all hosts together. At most `callers_max` callers
    are told apart; those not seen for longest are forgotten.
    """

    limit: float = 0.0
    burst: int = 0
    caller_limit: float = 0.0
    caller_burst: int = 0
    total_limit: float = 0.0
    total_burst: int = 0
    shared: bool = False
    callers_max: int = 10_000
