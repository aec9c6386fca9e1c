"""HTTP to one service by the shortest way there is: a bounded pool of connections that are kept alive, and no more.

The transport of httpx2 is used without its client, which would keep the cookies of one caller for the next, and follow
redirects to anywhere.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import httpx2

from dragoman.core.fault import Started

IDLE_S_MAX = 4.0
"""Less than what is usual among servers (uvicorn and Node close after 5 s), so that few connections are used in the
moment in which they are closed."""

ONE = httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_S_MAX)
"""A pool of several looks at every one of its connections at every request, which 64 of them make felt."""

REASON_CHARS_MAX = 300


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request; `url` is absolute and encoded."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


class HopError(Exception):
    """The exchange broke; `started` says what that means for the call."""

    def __init__(self, detail: str, started: Started) -> None:
        super().__init__(detail)
        self.detail = detail
        self.started = started


class _Body(httpx2.AsyncByteStream):
    """A body that tells when it goes out, which is when the other side may have begun."""

    def __init__(self, content: bytes, sending: Callable[[], object]) -> None:
        self._content = content
        self._sending = sending

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._sending()
        if self._content:
            yield self._content


class Answer:
    """A response whose head has come. Close it, whatever happens."""

    def __init__(self, response: httpx2.Response, place: str, left: Callable[[], object]) -> None:
        """`left()` is called once, when its connection may be used again."""
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._place = place
        self._left: Callable[[], object] | None = left

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes. Raises `HopError`."""
        stream = self._response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)
        try:
            async for chunk in stream:
                yield chunk
        except _ERRORS as error:
            raise HopError(f"the reply of {self._place} broke off: {_why(error)}", Started.UNKNOWN) from error

    async def close(self) -> None:
        """Let go of the connection: it is kept where the body has been read to its end, and closed where not."""
        left, self._left = self._left, None
        try:
            await self._response.aclose()
        finally:
            if left is not None:
                left()


class Hop:
    """Connections to one service."""

    def __init__(self, place: str, connections_max: int, *, secure: bool) -> None:
        """`place` is its address, for messages; `secure` where any of its addresses is `https:`."""
        self._place = place
        # Reading certificates takes 10 ms, and plain HTTP has no use for them.
        self._verify = ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._slots = asyncio.Semaphore(connections_max)
        self._free: list[httpx2.AsyncHTTPTransport] = []
        self._all: list[httpx2.AsyncHTTPTransport] = []

    async def send(self, outgoing: Outgoing, sending: Callable[[], object], connect_s: float | None = None) -> Answer:
        """Send, and wait for the head of the answer; `sending()` is called when the request goes out.

        Raises `HopError`. Cancelling closes the connection.
        """
        await self._slots.acquire()
        transport = self._taken()
        answer: Answer | None = None
        try:
            request = _request(outgoing, sending, connect_s)
            response = await transport.handle_async_request(request)
            answer = Answer(response, self._place, lambda: self._put_back(transport))
        except _UNREACHED as error:
            raise HopError(f"cannot connect to {self._place}: {_why(error)}", Started.NO) from error
        except (httpx2.LocalProtocolError, httpx2.InvalidURL, UnicodeError) as error:
            raise HopError(f"this cannot be sent to {self._place}: {_why(error)}", Started.NO) from error
        except _ERRORS as error:
            raise HopError(f"the connection to {self._place} broke: {_why(error)}", Started.UNKNOWN) from error
        finally:
            if answer is None:
                self._put_back(transport)
        assert answer is not None
        return answer

    async def close(self) -> None:
        """Close every connection. Calls that are under way break."""
        for transport in self._all:
            await transport.aclose()

    def _taken(self) -> httpx2.AsyncHTTPTransport:
        """The connection that was used last: those that nobody needs grow old and are closed by the service."""
        if self._free:
            return self._free.pop()
        made = httpx2.AsyncHTTPTransport(verify=self._verify, trust_env=False, limits=ONE)
        self._all.append(made)
        return made

    def _put_back(self, transport: httpx2.AsyncHTTPTransport) -> None:
        self._free.append(transport)
        self._slots.release()


_UNREACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_ERRORS = (httpx2.HTTPError, httpx2.StreamError, OSError)


def _request(outgoing: Outgoing, sending: Callable[[], object], connect_s: float | None) -> httpx2.Request:
    url = httpx2.URL(outgoing.url)
    headers = [("host", url.netloc.decode("ascii")), *outgoing.headers.items()]
    if outgoing.body or outgoing.method in ("POST", "PUT", "PATCH"):
        headers.append(("content-length", str(len(outgoing.body))))
    timeout = {"connect": connect_s, "pool": None, "read": None, "write": None}
    stream = _Body(outgoing.body, sending)
    return httpx2.Request(outgoing.method, url, headers=headers, stream=stream, extensions={"timeout": timeout})


def _why(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:REASON_CHARS_MAX]


async def read_all(answer: Answer, bytes_max: int) -> bytes | None:
    """The whole body; `None` where it is longer than `bytes_max`. Raises `HopError`."""
    parts: list[bytes] = []
    size = 0
    chunks = answer.chunks()
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > bytes_max:
                return None
            parts.append(chunk)
    finally:
        await chunks.aclose()
    return parts[0] if len(parts) == 1 else b"".join(parts)
