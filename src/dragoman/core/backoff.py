"""Pauses between attempts: growing, and random from nothing up to their bound.

That is "full jitter" (Brooker, *Exponential Backoff And Jitter*, AWS Architecture Blog, 2015): of all that failed at
the same moment no two come back at the same moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DOUBLINGS_MAX = 60
"""Past these the pause has long reached its bound, and the power would leave what a float can say."""


def pause(base_s: float, max_s: float, tries: int, random: Callable[[], float], asked_s: float | None = None) -> float:
    """Seconds to wait after so many attempts: up to a bound that doubles from `base_s` to `max_s`, and what was asked.

    `random` gives numbers from 0 up to 1. `asked_s` is what a fault asks for; it is added, for all who were told the
    same are not to come back at the same moment either.
    """
    bound_s = min(base_s * 2 ** min(tries - 1, DOUBLINGS_MAX), max_s)
    return max(0.0, asked_s or 0.0) + bound_s * random()
