"""Durations, which protocol buffers write as `1.5s` and we as ISO 8601, `PT1.5S`."""

from __future__ import annotations

import re

_ISO = re.compile(
    r"(-)?P(?=.)(?:(\d{1,9})D)?(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12})(?:\.(\d{1,9}))?S)?)?", re.ASCII
)
_PROTO = re.compile(r"(-)?(\d+)(?:\.(\d{1,9}))?s", re.ASCII)


def to_proto(text: str) -> str:
    """A duration in ISO 8601 as protocol buffers have it; anything else as it is, for them to refuse."""
    found = _ISO.fullmatch(text)
    if found is None:
        return text
    sign, days, hours, minutes, seconds, fraction = found.groups(default="")
    whole = ((int(days or 0) * 24 + int(hours or 0)) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    return f"{sign}{whole}{f'.{fraction}' if fraction else ''}s"


def to_iso(text: str) -> str:
    """A duration of protocol buffers in ISO 8601."""
    found = _PROTO.fullmatch(text)
    if found is None:
        return text
    sign, seconds, fraction = found.groups(default="")
    fraction = fraction.rstrip("0")
    return f"{sign}PT{seconds}{f'.{fraction}' if fraction else ''}S"
