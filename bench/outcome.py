"""What a comparison finds: rows of figures, targets met or missed, and notes about what could not be measured."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Literal

Sample = dict[str, float]
"""One turn of one contestant: figure name (its unit last, as in `p50_us`) to value."""


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant: the medians of its turns."""

    contestant: str
    figures: Sample
    turns: int

    @classmethod
    def of(cls, contestant: str, samples: list[Sample]) -> Row:
        """Take the median of each figure over the turns in which it was measured."""
        names = dict.fromkeys(name for sample in samples for name in sample)
        figures = {name: statistics.median(sample[name] for sample in samples if name in sample) for name in names}
        return cls(contestant, figures, len(samples))


@dataclass(frozen=True, slots=True)
class Target:
    """A bar to clear. `value` is None where it could not be measured."""

    says: str
    value: float | None
    bound: Literal["at least", "at most"]
    limit: float

    @property
    def verdict(self) -> Literal["pass", "miss", "not measured"]:
        """Whether the bar is cleared."""
        if self.value is None:
            return "not measured"
        cleared = self.value >= self.limit if self.bound == "at least" else self.value <= self.limit
        return "pass" if cleared else "miss"


@dataclass(slots=True)
class Comparison:
    """One table of the report."""

    title: str
    rows: list[Row] = field(default_factory=list[Row])
    targets: list[Target] = field(default_factory=list[Target])
    notes: list[str] = field(default_factory=list[str])

    def figure(self, contestant: str, name: str) -> float | None:
        """A contestant's figure, or None where it was not measured."""
        for row in self.rows:
            if row.contestant == contestant:
                return row.figures.get(name)
        return None

    def ratio(self, name: str, contestant: str, peer: str) -> float | None:
        """A contestant's figure over its peer's, or None where either is missing."""
        over, under = self.figure(contestant, name), self.figure(peer, name)
        return over / under if over is not None and under else None

    def aim(self, says: str, value: float | None, bound: Literal["at least", "at most"], limit: float) -> None:
        """Set a bar beside what was measured."""
        self.targets.append(Target(says, value, bound, limit))


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often to measure."""

    turns: int
    seconds: float
    calls: int
    quick: bool
