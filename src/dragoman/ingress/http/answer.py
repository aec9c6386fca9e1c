"""Response bytes of the call path. One formatting operation a reply: what does not change is formatted beforehand."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.core.clock import Clock

OK = (
    b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%bcontent-length: %d\r\ndragoman-call-id: %b%08x\r\n"
    b"server-timing: queue;dur=%.3f, run;dur=%.3f, total;dur=%.3f\r\n\r\n"
)
OK_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%bcache-control: no-cache\r\nx-accel-buffering: no\r\n"
    b"dragoman-call-id: %b%08x\r\nserver-timing: queue;dur=%.3f\r\n%b\r\n"
)
CHUNKED = b"transfer-encoding: chunked\r\n"
CLOSE = b"connection: close\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
STATUS_LINES[499] = b"HTTP/1.1 499 Client Closed Request\r\n"


class DateHeader:
    """The `Date` header, formatted once a second (RFC 9110 §6.6.1)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._line = b""

    def line(self, monotonic: float) -> bytes:
        """The header's line at a moment on the monotonic clock, in seconds."""
        second = int(monotonic)
        if second != self._second:
            self._second = second
            self._line = b"date: %b\r\n" % formatdate(self._clock.now(), usegmt=True).encode()
        return self._line


def problem(status: int, body: bytes, date: bytes, *extra: bytes) -> bytes:
    """A whole response that carries a problem document; `extra` are header lines."""
    return b"%b%bcontent-type: application/problem+json\r\ncontent-length: %d\r\n%b\r\n%b" % (
        STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status,
        date,
        len(body),
        b"".join(extra),
        body,
    )


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; `data` is not empty (an empty chunk is the last)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
