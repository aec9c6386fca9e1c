"""A clock that stands still until a test moves it."""

from __future__ import annotations


class ManualClock:
    """A `Clock` for tests: time passes only by `advance`."""

    def __init__(self, monotonic_s: float = 1000.0, now_s: float = 1_767_225_600.0) -> None:
        """`now_s` is seconds since the epoch; by default the first moment of 2026, UTC."""
        self._monotonic_s = monotonic_s
        self._now_s = now_s

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return self._monotonic_s

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises `ValueError` for a negative amount: no clock of the port goes back."""
        if seconds < 0:
            raise ValueError(f"time cannot go back by {-seconds:g}s")
        self._monotonic_s += seconds
        self._now_s += seconds
