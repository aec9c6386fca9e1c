"""Response bytes of the call path. One formatting operation a reply: what does not change is formatted beforehand."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from dragoman.core.moment import rfc3339

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


class Now:
    """The wall clock as responses write it, formatted only when it has moved on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._date = b""
        self._milliseconds = -1
        self._timestamp = ""

    def date(self, monotonic: float) -> bytes:
        """The line of the `Date` header (RFC 9110 §6.6.1) at a moment on the monotonic clock, in seconds."""
        second = int(monotonic)
        if second != self._second:
            self._second = second
            self._date = b"date: %b\r\n" % formatdate(self._clock.now(), usegmt=True).encode()
        return self._date

    def timestamp(self) -> str:
        """This moment as RFC 3339, to the millisecond."""
        now = self._clock.now()
        milliseconds = int(now * 1000)
        if milliseconds != self._milliseconds:
            self._milliseconds = milliseconds
            self._timestamp = rfc3339(now)
        return self._timestamp


def problem(status: int, body: bytes, *lines: bytes) -> bytes:
    """A whole response that carries a problem document; `lines` are further header lines."""
    return b"%bcontent-type: application/problem+json\r\ncontent-length: %d\r\n%b\r\n%b" % (
        STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status,
        len(body),
        b"".join(lines),
        body,
    )


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; `data` is not empty (an empty chunk is the last)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def no_content(*lines: bytes) -> bytes:
    """A whole response without a body."""
    return b"%b%b\r\n" % (STATUS_LINES[204], b"".join(lines))
