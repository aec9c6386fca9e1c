"""Moments as people and other machines read them: RFC 3339, UTC, milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(now_s: float) -> str:
    """Write seconds since the epoch as `2026-01-01T00:00:00.000Z`."""
    return datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
