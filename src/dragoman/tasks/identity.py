"""Ids of tasks: UUIDs of version 7 (RFC 9562), which sort by the time at which they were made."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.clock import Clock

RANDOM_BYTES = 8
COUNTER_MAX = 0xFFF
"""Twelve bits, which count the ids of one millisecond (RFC 9562 §6.2, method 1)."""


class Identities:
    """Makes ids: each sorts behind those that were made here before, whatever the clock does."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes]) -> None:
        """`random` gives so many random bytes."""
        self._clock = clock
        self._random = random
        self._last_ms = 0
        self._counter = 0

    def __call__(self) -> str:
        """One more id."""
        now_ms = int(self._clock.now() * 1000)
        if now_ms > self._last_ms:
            self._last_ms, self._counter = now_ms, 0
        elif self._counter < COUNTER_MAX:
            self._counter += 1
        else:
            self._last_ms, self._counter = self._last_ms + 1, 0
        tail = int.from_bytes(self._random(RANDOM_BYTES)) & 0x3FFF_FFFF_FFFF_FFFF
        head = (self._last_ms & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | self._counter
        return str(UUID(int=head << 64 | 0b10 << 62 | tail))


def is_id(text: str) -> bool:
    """Whether a text may be a task's id, in the one way in which they are written."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
