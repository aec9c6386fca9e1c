"""How much of the bodies of calls an ingress holds at a time, over all of its connections."""

from __future__ import annotations

from dragoman.core.fault import Overloaded

HELD_BODIES = 32
"""Bodies of the largest size that may be held at a time: half a gigabyte as it is set, whatever clients send."""
HELD_BYTES_MAX = 512 * 1024 * 1024
"""And so many bytes of them."""
HELD_BODIES_LEAST = 4
"""But always so many bodies, or a large limit could not be used."""
HELD_BYTES_LEAST = 64 * 1024
"""Bodies up to here are not counted among those that are held: connections and calls are bounded, and so are they."""
RETRY_S = 1.0
"""When a client that was refused for a passing reason may try again."""


def held_bytes_max(body_bytes_max: int) -> int:
    """Bytes that may be held, where one body may have `body_bytes_max`."""
    return max(min(HELD_BODIES * body_bytes_max, HELD_BYTES_MAX), HELD_BODIES_LEAST * body_bytes_max)


def full() -> Overloaded:
    """Why a large body is not taken while too much is held."""
    return Overloaded("this host holds as many large bodies as it may", retry_after_s=RETRY_S)
