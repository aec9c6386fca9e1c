"""Server-sent events, without I/O: chunks of a response in, events out (the parts of the standard that hosts use).

What has been searched for the end of an event is not searched again, so that a large event in small chunks costs no
more than its size.
"""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """One event: its name, `message` where it has none, its data, lines joined, and its id, empty where it has none."""

    name: str
    data: bytes
    id: str = ""


class TooLarge(ValueError):  # noqa: N818 - named for the condition, as all errors here are
    """An event is larger than it may be."""


class EventReader:
    """Splits a response body into events."""

    def __init__(self, event_bytes_max: int) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._return_held = False
        self._event_bytes_max = event_bytes_max

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are whole now. Raises `TooLarge`."""
        buffer = self._buffer
        buffer += self._with_newlines(chunk)
        events: list[Event] = []
        start = 0
        while (end := buffer.find(b"\n\n", self._searched)) >= 0:
            event = _parse(bytes(buffer[start:end]))
            if event is not None:
                events.append(event)
            start = self._searched = end + 2
        del buffer[:start]
        self._searched = max(len(buffer) - 1, 0)
        if len(buffer) > self._event_bytes_max:
            message = f"one item is larger than {self._event_bytes_max} bytes"
            raise TooLarge(message)
        return events

    def _with_newlines(self, chunk: bytes) -> bytes:
        """The chunk with lines that end as the host writes them, whatever a proxy made of it."""
        if self._return_held:
            chunk = b"\r" + chunk
        self._return_held = chunk.endswith(b"\r")
        if self._return_held:
            chunk = chunk[:-1]
        return chunk.replace(b"\r\n", b"\n")


def _parse(block: bytes) -> Event | None:
    """The event of a block of lines; None for one of comments only."""
    if block.startswith(b"data: ") and b"\n" not in block:
        return Event("message", block[6:])
    name, known_as = "message", ""
    lines: list[bytes] = []
    told = False
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            lines.append(value)
            told = True
        elif field == b"event":
            name = value.decode("utf-8", "replace")
            told = True
        elif field == b"id":
            known_as = value.decode("utf-8", "replace")
    return Event(name, b"\n".join(lines), known_as) if told else None
