"""Answers of idempotent functions, kept: in memory, and in a store that hosts share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """How long answers are kept, and where.

    Seconds: an answer is given for `ttl_s`; for `stale_s` more while it is computed anew; for `stale_if_error_s`
    more where that fails; a fault of the caller's making for `negative_s`. Level 1 holds at most `entries_max` answers
    of `bytes_max` bytes in all. `key` names the properties of the input that make the key, all where empty; `tags` are
    names to invalidate by. `shared` has a second level.
    """

    ttl_s: float = 60.0
    stale_s: float = 0.0
    stale_if_error_s: float = 0.0
    negative_s: float = 0.0
    entries_max: int = 10_000
    bytes_max: int = 64 * 1024 * 1024
    key: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    shared: bool = False
