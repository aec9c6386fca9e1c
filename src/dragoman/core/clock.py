"""Time as a thing that is passed in, so that a test can move it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol


class Clock(Protocol):
    """Where a part reads the time from."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...

    def now(self) -> float:
        """Seconds since the epoch, UTC; for timestamps that people and other machines read."""
        ...


class Timer(Protocol):
    """Something that is to happen later."""

    def cancel(self) -> object:
        """Have it not happen. Harmless when it has."""
        ...


class CallLater(Protocol):
    """Has something happen later: a loop's `call_later`."""

    def __call__(self, delay: float, callback: Callable[..., object], /, *args: Any) -> Timer:
        """Call back once, `delay` seconds from now."""
        ...


class SystemClock:
    """The machine's own clocks."""

    monotonic = staticmethod(time.monotonic)
    now = staticmethod(time.time)
