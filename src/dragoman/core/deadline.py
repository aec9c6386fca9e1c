"""Deadlines: absolute moments on the monotonic clock, so that time spent waiting anywhere counts."""

from __future__ import annotations

import math

NEVER = math.inf
"""The deadline of a call that may take for ever."""


def at(now: float, timeout_s: float | None) -> float:
    """The moment, in seconds on the clock that `now` was read from, at which a timeout given now runs out."""
    return NEVER if timeout_s is None else now + timeout_s


def earlier(first: float, second: float) -> float:
    """The tighter of two deadlines: a hop may shorten its caller's, never extend it."""
    return min(first, second)


def remaining_ms(deadline: float, now: float) -> int:
    """Whole milliseconds left, at least 1 while any is left, as the wire carries it; 0 stands for no deadline."""
    if deadline == NEVER:
        return 0
    return min(max(math.ceil((deadline - now) * 1000), 1), 0xFFFF_FFFF)
