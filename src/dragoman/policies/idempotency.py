"""Calls with the same idempotency key run once: who repeats one gets the first answer again.

The header is that of draft-ietf-httpapi-idempotency-key-header: another body under a known key is refused.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IdempotencyOptions:
    """How long answers are repeated.

    An answer is repeated for `ttl_s` seconds. Memory holds at most `entries_max` of `bytes_max` bytes in all.
    `shared` has all hosts know them.
    """

    ttl_s: float = 3600.0
    entries_max: int = 10_000
    bytes_max: int = 64 * 1024 * 1024
    shared: bool = False
