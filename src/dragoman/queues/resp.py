"""RESP2, the protocol of Redis and Valkey: commands into bytes, bytes into replies. No I/O.

redis-py reads each element of a reply by awaiting a stream reader; what a batch of messages costs is mostly that. This
reads what has come in one go. It keeps its place between reads, so that a large reply in many pieces is read once.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Reply: TypeAlias = "bytes | int | list[Reply] | RespError | None"

LINE_BYTES_MAX = 64 * 1024
"""Of a line without its end: types, sizes and error texts are shorter."""
BULK_BYTES_MAX = 512 * 1024 * 1024
"""What the servers themselves hold a string to be at most (`proto-max-bulk-len`)."""
ITEMS_MAX = 1 << 24
DEPTH_MAX = 16
"""The deepest reply here has five levels."""

_ENTRY = re.compile(rb"\*2\r\n\$(\d\d?)\r\n(\d+-\d+)\r\n\*2\r\n\$4\r\nbody\r\n\$(\d{1,9})\r\n")
"""What most of all that comes is, an entry of a stream with one field: read in one step, which takes half the time."""
_DOLLAR, _STAR, _COLON, _PLUS, _MINUS = b"$*:+-"


class RespError(Exception):
    """An error that the server gave as a reply; `code` is its first word."""

    @property
    def code(self) -> str:
        """NOGROUP, OOM, LOADING and so on."""
        return str(self).partition(" ")[0]


class Malformed(ValueError):  # noqa: N818 - says what the bytes are
    """Bytes that are no RESP2."""


def pack(*arguments: bytes) -> bytes:
    """A command as it is sent."""
    parts = [b"*%d\r\n" % len(arguments)]
    parts += [b"$%d\r\n%b\r\n" % (len(each), each) for each in arguments]
    return b"".join(parts)


class Decoder:
    """Turns what arrives into replies."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._need = 1
        self._stack: list[tuple[list[Reply], int]] = []

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are whole with these bytes. Raises `Malformed`, and is of no use after that."""
        self._chunks.append(data)
        self._size += len(data)
        if self._size < self._need:
            return []
        if len(self._chunks) > 1:
            data = b"".join(self._chunks)
        replies: list[Reply] = []
        position = self._parse(data, replies)
        rest = data[position:]
        self._chunks = [rest] if rest else []
        self._size = len(rest)
        return replies

    def _parse(self, data: bytes, replies: list[Reply]) -> int:
        """Read as far as it goes; the position after that. Sets how many bytes it takes to go on."""
        position, end, find = 0, len(data), data.find
        self._need = 1
        while position < end:
            line_end = find(b"\r\n", position)
            if line_end < 0:
                if end - position > LINE_BYTES_MAX:
                    raise Malformed("a line without an end")
                self._need = end - position + 1
                break
            kind, after = data[position], line_end + 2
            if kind == _DOLLAR:
                size = number(data[position + 1 : line_end], BULK_BYTES_MAX)
                stop = after + size
                if stop + 2 > end and size >= 0:
                    self._need = stop + 2 - position
                    break
                value, after = string(data, after, stop) if size >= 0 else (None, after)
            elif kind == _STAR and (entry := whole_entry(data, position)) is not None:
                value, after = entry
            elif kind == _STAR:
                count = number(data[position + 1 : line_end], ITEMS_MAX)
                if count > 0:
                    self._begin(count)
                    position = after
                    continue
                value: Reply = [] if count == 0 else None
            else:
                value = simple(kind, data[position + 1 : line_end])
            position = after
            self._add(value, replies)
        return position

    def _begin(self, count: int) -> None:
        """An array begins."""
        if len(self._stack) >= DEPTH_MAX:
            raise Malformed("nested too deep")
        self._stack.append(([], count))

    def _add(self, value: Reply, replies: list[Reply]) -> None:
        """An element is whole, and with it perhaps the arrays around it."""
        stack = self._stack
        while stack:
            items, count = stack[-1]
            items.append(value)
            if len(items) < count:
                return
            stack.pop()
            value = items
        replies.append(value)


def whole_entry(data: bytes, position: int) -> tuple[Reply, int] | None:
    """An entry with one field that is there as a whole, and where it ends; None where that is not what is there."""
    found = _ENTRY.match(data, position)
    if found is None:
        return None
    size, name, length = found.groups()
    start = found.end()
    stop = start + int(length)
    if int(size) != len(name) or data[stop : stop + 2] != b"\r\n":
        return None
    return [name, [b"body", data[start:stop]]], stop + 2


def string(data: bytes, start: int, stop: int) -> tuple[bytes, int]:
    """A string that is there, and where it ends. Raises `Malformed`."""
    if data[stop : stop + 2] != b"\r\n":
        raise Malformed("a string that is longer than it says")
    return data[start:stop], stop + 2


def simple(kind: int, text: bytes) -> Reply:
    """A reply that is one line. Raises `Malformed`."""
    if kind == _COLON:
        try:
            return int(text)
        except ValueError:
            raise Malformed(f"{text[:20]!r} is no number") from None
    if kind == _PLUS:
        return text
    if kind == _MINUS:
        return RespError(text.decode("utf-8", "replace"))
    raise Malformed(f"a reply of the unknown type {bytes((kind,))!r}")


def number(text: bytes, most: int) -> int:
    """A size; -1 for none. Raises `Malformed`."""
    if text.isdigit() and len(text) < 12:  # noqa: PLR2004 - no size has more digits
        found = int(text)
        if found <= most:
            return found
    elif text == b"-1":
        return -1
    raise Malformed(f"{text[:20]!r} is no size")
