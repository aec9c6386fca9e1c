"""The answer of a function that is overloaded or limited: said thousands of times a second, so written once.

What differs from one answer to the next (ids and moments) is put into places left for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.ingress.http import answer
from dragoman.ingress.http.problem import retry_after, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Call
    from dragoman.core.fault import Fault
    from dragoman.ingress.http.head import Head

TEMPLATES_MAX = 1024
"""Answers kept: one a function, on hosts that have a thousand."""
TIME_MARK, CALL_MARK, TRACE_MARK = "~timestamp~", "~call_id~", "~trace_id~"
PLACES = (("call_id", CALL_MARK, "%b%08x"), ("trace_id", TRACE_MARK, "%b"), ("timestamp", TIME_MARK, "%b"))
ID_CHARS = 8
FIRST_LONGER_ID = 1 << 4 * ID_CHARS


class OverloadAnswers:
    """The answers of one ingress; `render` writes a fault's document at a moment."""

    def __init__(
        self, prefix: str, service: str, wall: answer.Now, render: Callable[[Fault, Head, str], bytes]
    ) -> None:
        self.templates: dict[tuple[bytes, str, str], tuple[bytes, int]] = {}
        self._prefix = prefix.encode()
        self._service = service
        self._wall = wall
        self._render = render

    def write(self, fault: Fault, head: Head, call: Call, now: float, lines: bytes) -> bytes:
        """The whole response; `now` is on the monotonic clock, `lines` are further header lines."""
        key = (head.path, fault.detail, retry_after(fault))
        template, size = self.templates.get(key) or self._make(key, fault, head)
        trace_id = call.trace.trace_id.hex().encode() if call.trace is not None else b""
        if call.id >= FIRST_LONGER_ID:
            size += len(f"{call.id:x}") - ID_CHARS
        prefix, timestamp = self._prefix, self._wall.timestamp().encode()
        date = self._wall.date(now)
        return template % (size + len(trace_id), date, prefix, call.id, lines, prefix, call.id, trace_id, timestamp)

    def _make(self, key: tuple[bytes, str, str], fault: Fault, head: Head) -> tuple[bytes, int]:
        marked = type(fault)(
            fault.detail,
            started=fault.started,
            errors=fault.errors,
            retry_after_s=fault.retry_after_s,
            function=fault.function,
        )
        marked.service, marked.call_id, marked.trace_id = self._service, CALL_MARK, TRACE_MARK
        body = self._render(marked, head, TIME_MARK).replace(b"%", b"%%")
        for name, mark, place in PLACES:
            # Quotes inside of values are escaped, so that this can only be the member itself.
            body = body.replace(f'"{name}":"{mark}"'.encode(), f'"{name}":"{place}"'.encode())
        wait = key[2].encode()
        start = (
            b"%bcontent-type: application/problem+json\r\ncontent-length: %%d\r\n"
            % (answer.STATUS_LINES[status_of(marked.code)])
        )
        template = start + b"%%bdragoman-call-id: %%b%%08x\r\nretry-after: %b\r\n%%b\r\n" % wait + body
        size = len(body % (self._prefix, 0, b"", self._wall.timestamp().encode()))
        if len(self.templates) >= TEMPLATES_MAX:
            self.templates.clear()
        self.templates[key] = template, size
        return template, size
