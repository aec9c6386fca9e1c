"""Latencies of many calls in little room: counted in steps of one percent, however long it takes."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

STEPS_PER_E = 100
"""Steps between a latency and `e` times it: each is one percent wide."""

LEAST_S = 1e-9


@dataclass
class Latencies:
    """What was measured. `failed` counts the calls that failed by what they failed with; they have no latency here."""

    counts: Counter[int] = field(default_factory=Counter[int])
    failed: Counter[str] = field(default_factory=Counter[str])
    total: int = 0
    longest_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one call that was answered."""
        self.counts[int(math.log(max(seconds, LEAST_S)) * STEPS_PER_E)] += 1
        self.total += 1
        self.longest_s = max(self.longest_s, seconds)

    def percentile(self, share: float) -> float:
        """The seconds within which that share (between 0 and 1) of the calls were answered; NaN where none was."""
        wanted = max(math.ceil(share * self.total), 1)
        seen = 0
        for step, count in sorted(self.counts.items()):
            seen += count
            if seen >= wanted:
                return min(math.exp(step / STEPS_PER_E), self.longest_s)
        return math.nan
