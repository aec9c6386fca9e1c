"""Moments as people and other machines read them: RFC 3339, UTC, milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

SECONDS_MAX = 64
"""Seconds kept as they are written: most moments that are written are of the last one."""


def rfc3339(now_s: float) -> str:
    """Write seconds since the epoch as `2026-01-01T00:00:00.000Z`."""
    second, microsecond = divmod(round(now_s * 1_000_000), 1_000_000)
    return f"{_to_the_second(second)}.{microsecond // 1000:03d}Z"


@lru_cache(maxsize=SECONDS_MAX)
def _to_the_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00")
