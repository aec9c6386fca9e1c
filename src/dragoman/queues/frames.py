"""Frames of AMQP 0-9-1 as others write them: texts that are not UTF-8, and moments that no calendar has.

AMQP says nothing of what the bytes of a text mean, and servers pass on whatever they are given. pamqp refuses a frame
for them, and aiormq the connection; the message comes again, and nothing behind it is ever read. What reads a type
stands in pamqp's own tables, and there those that refuse are replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pamqp import decode

if TYPE_CHECKING:
    from datetime import datetime

    from pamqp.common import FieldTable

TIMESTAMP_BYTES = 8


def text(value: bytes) -> str:
    """Bytes as a text, another one for other bytes: each that is no UTF-8 stands there in hexadecimal."""
    return value.decode("utf-8", "backslashreplace")


def short_text(value: bytes) -> tuple[int, str]:
    """How many bytes a short string takes with its length, and what it says."""
    _, size = decode.short_short_uint(value)
    return 1 + size, text(value[1 : 1 + size])


def moment(value: bytes) -> tuple[int, datetime | None]:
    """A moment; none where its number is of another unit than seconds or milliseconds."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return TIMESTAMP_BYTES, None


def table(value: bytes) -> tuple[int, FieldTable]:
    """Names and values."""
    _, size = decode.long_uint(value)
    at, end = 4, 4 + size
    if end > len(value):
        raise ValueError("a table that is longer than its frame")
    found: FieldTable = {}
    while at < end:
        size, name = short_text(value[at:end])
        at += size
        size, found[name] = decode.embedded_value(value[at:end])
        at += size
    return end, found


def read_all() -> None:
    """Have pamqp read frames so, for whoever uses it here."""
    decode.METHODS.update(shortstr=short_text, timestamp=moment, table=table)
    decode.TABLE_MAPPING.update({b"T": moment, b"F": table})
