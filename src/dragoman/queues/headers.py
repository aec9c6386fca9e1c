"""Names and values of headers as brokers carry them: nothing that one of them cannot take, nor anything too large."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from dragoman.core.fault import OutOfRange, Started

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core.fault import Fault


def text_of(value: object) -> str | None:
    """A header's value as text; None for what is none (a list, a table)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return None


def size_of(headers: Mapping[str, str]) -> int:
    """Bytes that headers take on the wire, a little more rather than less."""
    return sum(len(name.encode()) + len(value.encode("utf-8", "replace")) + 16 for name, value in headers.items())


def short(text: str, bytes_max: int) -> str:
    """An id that is not longer than it may be: itself, or a hash of it."""
    return text if len(text.encode()) <= bytes_max else hashlib.sha256(text.encode()).hexdigest()


def misfit(detail: str) -> Fault:
    """What is told of a message that its broker will never take; the call that it comes of has run."""
    return OutOfRange(detail, started=Started.YES)
