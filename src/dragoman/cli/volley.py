"""Many HTTP calls at once, with as little of our own work between them as can be: the host is to be measured, not this.

The client of `dragoman.connect` does more for each call than a host needs to answer it, so it would measure itself.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.cli.latency import Latencies

HEAD_BYTES_MAX = 64 * 1024
OPEN_S_MAX = 10.0
DRAIN_S_MAX = 60.0
"""How long the last answers may take: twice the time that a function has where nobody sets one."""


class Answer:
    """Finds the end of one HTTP/1.1 answer, of known length or in chunks."""

    def __init__(self) -> None:
        self.status = 0
        self._head = b""
        self._left: int = -1
        self._chunked = False
        self._last = False
        self._rest = b""

    def feed(self, data: bytes) -> bool:
        """Take more of it; True when it is whole. Raises `ValueError` for what is no HTTP."""
        if not self.status:
            self._head += data
            head, gap, data = self._head.partition(b"\r\n\r\n")
            if not gap:
                if len(self._head) > HEAD_BYTES_MAX:
                    raise ValueError("the head of the answer has no end")
                return False
            self._read_head(head)
        return self._feed_chunks(data) if self._chunked else self._feed_body(data)

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.lower().split(b"\r\n")
        self.status = int(first.split(b" ")[1])
        for line in lines:
            name, _, value = line.partition(b":")
            if name == b"content-length":
                self._left = int(value)
            elif name == b"transfer-encoding":
                self._chunked = True

    def _feed_body(self, data: bytes) -> bool:
        self._left -= len(data)
        return self._left <= 0

    def _feed_chunks(self, data: bytes) -> bool:
        """Pass over chunks: `_left` counts what is left of one and the line end behind it, -1 between two."""
        self._rest += data
        while self._rest:
            if self._left < 0:
                size, gap, rest = self._rest.partition(b"\r\n")
                if not gap:
                    return False
                self._left, self._rest = int(size, 16) + len(b"\r\n"), rest
                self._last = self._left == len(b"\r\n")
            taken = min(self._left, len(self._rest))
            self._rest = self._rest[taken:]
            self._left -= taken
            if self._left == 0:
                if self._last:
                    return True
                self._left = -1
        return False


class Caller(asyncio.Protocol):
    """One connection that sends the same request again as soon as it is answered."""

    def __init__(self, request: bytes, until: float, now: Callable[[], float], found: Latencies) -> None:
        self._request = request
        self._until = until
        self._now = now
        self._found = found
        self._answer = Answer()
        self._sent_at = 0.0
        self._transport: asyncio.Transport
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count an answer that is whole, and go on until time is up."""
        try:
            whole = self._answer.feed(data)
        except (ValueError, IndexError):
            self._end("no HTTP")
            return
        if not whole:
            return
        now = self._now()
        if self._answer.status == 200:  # noqa: PLR2004 - HTTP's word for a reply
            self._found.add(now - self._sent_at)
        else:
            self._found.failed[f"HTTP {self._answer.status}"] += 1
        if now < self._until:
            self._send()
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The host hung up."""
        self._end(f"connection lost{f': {exc}' if exc else ''}")

    def _send(self) -> None:
        self._answer = Answer()
        self._sent_at = self._now()
        self._transport.write(self._request)

    def _end(self, failure: str = "") -> None:
        if self.ended.done():
            return
        if failure:
            self._found.failed[failure] += 1
        self.ended.set_result(None)
        self._transport.close()


def request_bytes(url: str, function: str, body: bytes, content_type: str, accept: str) -> bytes:
    """The request of one call, the same each time."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/v1/call/{quote(function, safe='')}"
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {parts.netloc.rpartition('@')[2]}\r\ncontent-type: {content_type}\r\n"
        f"accept: {accept}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def fire(url: str, cacert: str | None, connections: int, caller: Callable[[], Caller]) -> None:
    """Open the connections, and wait until each has ended. Raises `OSError` where one cannot be opened."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    context = ssl.create_default_context(cafile=cacert) if secure else None
    port = parts.port or (443 if secure else 80)
    loop = asyncio.get_running_loop()
    opening = [loop.create_connection(caller, parts.hostname or "", port, ssl=context) for _ in range(connections)]
    async with asyncio.timeout(OPEN_S_MAX):
        callers = [protocol for _, protocol in await asyncio.gather(*opening)]
    await asyncio.wait([each.ended for each in callers])
