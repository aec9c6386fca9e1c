"""The connections of a client that awaits: a free list of pools that hold one connection each.

A pool of many looks at every one of its connections whenever a request begins and whenever one ends, which was half of
the work of a client with 64 requests under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    import ssl

    from dragoman.core.clock import Clock


class _Body(httpx2.AsyncByteStream):
    """A body that says when it was let go of."""

    def __init__(self, stream: httpx2.AsyncByteStream, left: Callable[[], object]) -> None:
        self._stream = stream
        self._left: Callable[[], object] | None = left

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        left, self._left = self._left, None
        try:
            await self._stream.aclose()
        finally:
            if left is not None:
                left()


class Connections(httpx2.AsyncBaseTransport):
    """As many as `at_most` at a time, of which those that were used within `idle_s` are used again, the latest first.

    Who comes when all are in use waits, for as long as the request's own limits say.
    """

    def __init__(self, verify: ssl.SSLContext | bool, clock: Clock, *, at_most: int, idle_s: float) -> None:  # noqa: FBT001 - the type is httpx2's own
        # Made once: reading certificates takes 10 ms.
        self._verify = httpx2.create_ssl_context(verify) if verify is True else verify
        self._clock = clock
        self._limits = httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=idle_s)
        self._idle_s = idle_s
        self._slots = asyncio.Semaphore(at_most)
        self._free: deque[tuple[float, httpx2.AsyncHTTPTransport]] = deque()
        self._all: set[httpx2.AsyncHTTPTransport] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and wait for the head of the answer; its connection is free again when that is closed."""
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx2.PoolTimeout("all connections are in use", request=request) from None
        transport = self._taken()
        answered = False
        try:
            response = await transport.handle_async_request(request)
            answered = True
        finally:
            if not answered:
                self._put_back(transport)
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)
        response.stream = _Body(stream, lambda: self._put_back(transport))
        return response

    async def aclose(self) -> None:
        """Close every connection. What is under way breaks."""
        self._free.clear()
        await asyncio.gather(*self._closing, *(each.aclose() for each in self._all))

    def _taken(self) -> httpx2.AsyncHTTPTransport:
        if self._free:
            return self._free.pop()[1]
        made = httpx2.AsyncHTTPTransport(verify=self._verify, trust_env=False, limits=self._limits)
        self._all.add(made)
        return made

    def _put_back(self, transport: httpx2.AsyncHTTPTransport) -> None:
        now = self._clock.monotonic()
        self._free.append((now, transport))
        self._slots.release()
        while self._free[0][0] + self._idle_s < now:
            old = self._free.popleft()[1]
            self._all.discard(old)
            closing = asyncio.ensure_future(old.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
