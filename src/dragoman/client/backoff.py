"""Pauses between tries to connect again: each about twice the one before, up to a bound, and never two alike.

Without the jitter all clients of a host that restarts would come back in the same moment, again and again.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_S = 0.01
"""A host that restarts is back in some 200 ms: the first few tries are for one that is just there."""
LONGEST_S = 1.0
TRIES_S_MAX = 10.0
"""How long a call waits for a host that was there before to be back; its own timeout may be shorter."""


def pauses() -> Iterator[float]:
    """The pauses, in seconds, without end."""
    most_s = FIRST_S
    while True:
        yield random.uniform(most_s / 2, most_s)  # noqa: S311 - spreads load, keeps no secret
        most_s = min(2 * most_s, LONGEST_S)
