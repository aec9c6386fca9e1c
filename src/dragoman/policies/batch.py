"""Calls of a function that takes a list, gathered into one; each caller gets its own part of the result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """At most `items_max` items go in one call, which waits for `delay_s` seconds from its first item on."""

    items_max: int = 64
    delay_s: float = 0.002
