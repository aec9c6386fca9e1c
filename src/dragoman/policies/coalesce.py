"""Identical calls in flight run once, and all who asked get the answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoalesceOptions:
    """Which calls are identical, and how many may wait.

    At most `waiting_max` callers wait for one answer; `key` names the properties of the input that tell calls apart,
    all where empty.
    """

    waiting_max: int = 100_000
    key: tuple[str, ...] = ()
