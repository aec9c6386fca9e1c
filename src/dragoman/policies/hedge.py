"""A second attempt for a call that takes longer than most: whichever answers first wins, the other is cancelled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HedgeOptions:
    """When a second attempt begins.

    The second attempt begins where a call takes longer than `percentile` percent of the calls before it, and no
    sooner than `delay_min_s` seconds. `budget` is the share of calls that may have one.
    """

    percentile: float = 95.0
    delay_min_s: float = 0.001
    budget: float = 0.05
