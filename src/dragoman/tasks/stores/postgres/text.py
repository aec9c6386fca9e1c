"""Text as Postgres can keep it: it has no NUL and no half of a surrogate pair, which names and log lines may have."""

from __future__ import annotations

import re

_ODD = re.compile("[\x00\\\\\ud800-\udfff]")
_PACKED = re.compile(r"\\(\\|u[0-9a-f]{4})")


def packed(text: str) -> str:
    """A text as it is kept: different ones stay different."""
    if text.isascii() and "\\" not in text and "\x00" not in text:
        return text
    return _ODD.sub(_pack, text)


def exact(text: str) -> str:
    """A text as it is kept. Raises `ValueError` where it is none that others could read."""
    if not text.isascii():
        text.encode()
    return packed(text)


def unpacked(kept: str) -> str:
    """The text that was kept."""
    return _PACKED.sub(_unpack, kept) if "\\" in kept else kept


def _pack(match: re.Match[str]) -> str:
    character = match[0]
    return r"\\" if character == "\\" else f"\\u{ord(character):04x}"


def _unpack(match: re.Match[str]) -> str:
    return "\\" if match[1] == "\\" else chr(int(match[1][1:], 16))
