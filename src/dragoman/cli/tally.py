"""What callers saw of one function in one step of a rehearsal, and whether that is what was expected."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dragoman.cli.latency import Latencies
from dragoman.core.fault import Code, Started
from dragoman.core.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.config.drill import Expectation
    from dragoman.core.fault import Fault


@dataclass
class Tally:
    """Calls by how they ended. `held_back` were not begun, as too many were on their way already."""

    answered: Latencies = field(default_factory=Latencies)
    codes: Counter[Code] = field(default_factory=Counter[Code])
    started: Counter[Started] = field(default_factory=Counter[Started])
    held_back: int = 0

    @property
    def calls(self) -> int:
        """How many calls have ended."""
        return self.answered.total + self.codes.total()

    @property
    def success(self) -> float:
        """The share of the calls that succeeded; 1 where there was none."""
        return self.answered.total / self.calls if self.calls else 1.0

    def succeeded(self, seconds: float) -> None:
        """Count a call that was answered after so long."""
        self.answered.add(seconds)

    def failed(self, fault: Fault) -> None:
        """Count a call that failed."""
        self.codes[fault.code] += 1
        self.started[fault.started] += 1

    def figures(self) -> dict[str, Any]:
        """What there is to report, as JSON values."""
        times = {"p50_ms": 0.5, "p99_ms": 0.99}
        return {
            "calls": self.calls,
            "success": self.success,
            "codes": {code.value: count for code, count in sorted(self.codes.items())},
            "started": {each.value: self.started[each] for each in Started},
            **{
                name: self.answered.percentile(part) * 1e3 if self.answered.total else None
                for name, part in times.items()
            },
            "held_back": self.held_back,
        }


def disappointments(tally: Tally, expected: Expectation) -> list[str]:
    """What was not as expected, in words."""
    found: list[str] = []
    if not tally.calls and (expected.success is not None or expected.p99_s is not None):
        return ["no call ended, so nothing can be said of them"]
    if expected.success is not None and tally.success < expected.success:
        found.append(f"{tally.success:.2%} of {tally.calls} calls succeeded, {expected.success:.2%} were expected to")
    if expected.p99_s is not None and tally.answered.total:
        p99_s = tally.answered.percentile(0.99)
        if p99_s > expected.p99_s:
            found.append(f"p99 was {format_duration(p99_s)}, at most {format_duration(expected.p99_s)} was expected")
    if expected.codes is not None:
        others: Mapping[str, int] = {
            code.value: count for code, count in tally.codes.items() if code not in expected.codes
        }
        named = ", ".join(f"{count} {code}" for code, count in sorted(others.items()))
        allowed = ", ".join(sorted(code.value for code in expected.codes))
        if named:
            found.append(f"calls failed with {named}, where only {allowed} was expected")
    return found
