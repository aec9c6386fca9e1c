"""Streamed bodies cut into items, without I/O: JSON Lines (and JSON text sequences), and server-sent events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dragoman.client.events import EventReader, TooLarge
from dragoman.contract.codecs import json
from dragoman.contract.malformed import Malformed
from dragoman.core.fault import DataLoss, OutOfRange, Started
from dragoman.upstream.failure import read_fault

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pieces(Protocol):
    """Chunks in, items out, each a JSON value."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The items that are whole now. Raises a `Fault` for what is none, and for one that the service sent."""
        ...

    def finish(self) -> Iterator[bytes]:
        """The body has ended: what is left. Raises a `Fault`."""
        ...


def pieces(kind: str, function: str, item_bytes_max: int) -> Pieces:
    """What cuts a body of a kind, `lines` or `events`."""
    return Events(function, item_bytes_max) if kind == "events" else Lines(function, item_bytes_max)


class Lines:
    """One JSON value a line. What has been searched for an end is not searched again."""

    def __init__(self, function: str, item_bytes_max: int) -> None:
        self._function = function
        self._bytes_max = item_bytes_max
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that are whole now."""
        buffer = self._buffer
        buffer += chunk
        start = 0
        while (end := buffer.find(b"\n", max(self._searched, start))) >= 0:
            line = bytes(buffer[start:end])
            start = self._searched = end + 1
            yield from self._item(line)
        del buffer[:start]
        self._searched = len(buffer)
        if len(buffer) > self._bytes_max:
            raise too_large(self._function, self._bytes_max)

    def finish(self) -> Iterator[bytes]:
        """The last line, where nothing ends it."""
        yield from self._item(bytes(self._buffer))

    def _item(self, line: bytes) -> Iterator[bytes]:
        item = line.strip(b" \t\r\x1e")
        if len(item) > self._bytes_max:
            raise too_large(self._function, self._bytes_max)
        if item:
            yield checked(item, self._function)


class Events:
    """The data of each event: JSON as it is, anything else as text. Comments keep a connection open, and are none."""

    def __init__(self, function: str, item_bytes_max: int) -> None:
        self._function = function
        self._bytes_max = item_bytes_max
        self._reader = EventReader(item_bytes_max)
        self._ended = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The events that are whole now. A host like this one names an event `fault`, and its last one `end`."""
        try:
            events = self._reader.feed(chunk)
        except TooLarge:
            raise too_large(self._function, self._bytes_max) from None
        for event in events:
            if event.name == "fault" and (fault := read_fault(event.data, self._function)) is not None:
                raise fault
            self._ended = self._ended or (event.name == "end" and event.data in (b"", b"{}", b"null"))
            if self._ended:
                return
            yield self._item(event.data)

    def finish(self) -> Iterator[bytes]:
        """An event without its end is none (as the standard says)."""
        yield from ()

    def _item(self, data: bytes) -> bytes:
        try:
            json.decode(data)
        except Malformed:
            return json.encode(data.decode("utf-8", "replace"))
        return one_line(data)


def checked(body: bytes, function: str) -> bytes:
    """A JSON value that is one. Raises `DataLoss`."""
    try:
        json.decode(body)
    except Malformed as error:
        raise DataLoss(f"the service answered what is {error}", started=Started.YES, function=function) from None
    return one_line(body)


def one_line(body: bytes) -> bytes:
    """A JSON value without line breaks between its parts: items may travel as lines."""
    return json.encode(json.decode(body)) if b"\n" in body or b"\r" in body else body


def too_large(function: str, bytes_max: int) -> OutOfRange:
    """The fault of a reply, or an item of one, that is larger than it may be."""
    detail = f"the service's reply is larger than {bytes_max} bytes (output_max)"
    return OutOfRange(detail, started=Started.YES, function=function)
