"""A clock that stands still until a test moves it, and timers that ring when it does."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class ManualTimer:
    """One thing that is to happen; implements the port's `Timer`."""

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        """Have it not happen."""
        self.cancelled = True


class ManualClock:
    """A `Clock` for tests: time passes only by `advance`, which rings the timers of `call_later` on its way."""

    def __init__(self, monotonic_s: float = 1000.0, now_s: float = 1_767_225_600.0) -> None:
        """`now_s` is seconds since the epoch; by default the first moment of 2026, UTC."""
        self._monotonic_s = monotonic_s
        self._now_s = now_s
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._order = count()

    @property
    def timers(self) -> int:
        """How many timers are set and not cancelled."""
        return sum(not timer.cancelled for _, _, timer in self._timers)

    def call_later(self, delay: float, callback: Callable[..., object], /, *args: Any) -> ManualTimer:
        """Have `callback(*args)` run when `delay` seconds have passed; those due at one moment run in order."""
        timer = ManualTimer(callback, args)
        heapq.heappush(self._timers, (self._monotonic_s + max(delay, 0.0), next(self._order), timer))
        return timer

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
        end = self._monotonic_s + seconds
        while self._timers and self._timers[0][0] <= end:
            at, _, timer = heapq.heappop(self._timers)
            self._pass(at - self._monotonic_s)
            if not timer.cancelled:
                timer.callback(*timer.args)
        self._pass(end - self._monotonic_s)

    def _pass(self, seconds: float) -> None:
        if seconds > 0:
            self._monotonic_s += seconds
            self._now_s += seconds
