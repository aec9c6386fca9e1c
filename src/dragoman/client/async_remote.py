"""A remote host for callers that await, on one running loop."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx2

from dragoman.client.connections import Connections
from dragoman.client.endpoint import CONNECTIONS_MAX, IDLE_S_MAX
from dragoman.client.exchange import (
    FUNCTIONS_REQUEST,
    Incoming,
    Patience,
    Request,
    call_request,
    checked_timeout,
    function_request,
    marked,
)
from dragoman.client.face import Named
from dragoman.client.http_desk import AsyncHttpDesk
from dragoman.client.lines import async_lines
from dragoman.client.listing import Listed, read_function, read_functions
from dragoman.client.marks import marks_of
from dragoman.client.submitting import AsyncSubmitting
from dragoman.client.trouble import ERRORS, fault_of
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Draining, Fault, NotFound, Started, Unimplemented

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

    from dragoman.client.endpoint import Endpoint
    from dragoman.client.exchange import Beginning
    from dragoman.contract.function import Contract


class AsyncRemote(Named, AsyncSubmitting):
    """A remote host: `await remote.stats.correlation(data=rows)`."""

    def __init__(self, at: Endpoint) -> None:
        self._endpoint = at
        self._clock = SystemClock()
        options = at.options()
        connections = Connections(options["verify"], self._clock, at_most=CONNECTIONS_MAX, idle_s=IDLE_S_MAX)
        self._client = httpx2.AsyncClient(**options, transport=connections)
        self._desk = AsyncHttpDesk(self._whole, self._chunks, self._learn, at.reply_bytes_max, self._clock)
        self._closed = False

    def __repr__(self) -> str:
        return f"<remote {self._endpoint.address}>"

    async def close(self) -> None:
        """Close the connections. Harmless when repeated."""
        self._closed = True
        await self._client.aclose()

    @property
    def functions(self) -> Awaitable[dict[str, Contract]]:
        """Awaited: the functions by full name, with what they promise. Raises the `Fault` of the asking."""
        return self._functions()

    async def call(
        self,
        function: str,
        /,
        input: Any = None,  # noqa: A002 - the public word
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the host keeps the deadline too
        priority: str | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Call a function by its full name; its result. `timeout`, in seconds, may only shorten the function's own.

        `priority` is `"critical"`, `"normal"` or `"batch"`, where it is not to be the function's. Calls with the same
        `idempotency_key` are one, where the host keeps keys: who repeats one gets the first answer.

        A streaming function's items come as a list. Bytes as the whole input go as they are, to a function that takes
        raw bytes. Raises the call's `Fault`.
        """
        marks = marks_of(priority, idempotency_key)
        patience = Patience(function, checked_timeout(timeout), self._clock.monotonic())
        listed = await self._learn(function, patience)
        request = call_request(function, input, listed, self._remaining_s(patience), streamed=False)
        request = marked(request, marks)
        incoming = Incoming(function, listed, self._endpoint.reply_bytes_max, input)
        if request.upgrades:
            return [value async for value in self._both(request, incoming, patience)]
        try:
            await self._whole(request, incoming, patience)
            return incoming.value()
        except NotFound:
            self._endpoint.forget(function)
            raise

    async def stream(
        self,
        function: str,
        /,
        input: Any = None,  # noqa: A002 - the public word
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the host keeps the deadline too
        priority: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncGenerator[Any]:
        """Call a streaming function and iterate over its items as they come. Raises the call's `Fault`.

        Closing the generator before its end cancels the call.
        """
        marks = marks_of(priority, idempotency_key)
        patience = Patience(function, checked_timeout(timeout), self._clock.monotonic())
        listed = await self._learn(function, patience)
        if listed is not None and not listed.contract.streaming:
            raise Unimplemented(f"{function} does not stream; call it", function=function)
        request = call_request(function, input, listed, self._remaining_s(patience), streamed=True)
        request = marked(request, marks)
        incoming = Incoming(function, listed, self._endpoint.reply_bytes_max)
        if request.upgrades:
            async with aclosing(self._both(request, incoming, patience)) as values:
                async for value in values:
                    yield value
            return
        async with aclosing(self._chunks(request, incoming, patience)) as chunks:
            async for chunk in chunks:
                for value in incoming.feed(chunk):
                    yield value
        incoming.finish()

    async def _functions(self) -> dict[str, Contract]:
        patience = Patience("", None, self._clock.monotonic())
        page = await self._page(FUNCTIONS_REQUEST, patience)
        return {name: listed.contract for name, listed in read_functions(page).items()}

    async def _learn(self, function: str, patience: Patience) -> Listed | None:
        """What the host tells of a function; None where it tells nothing, which the call itself will explain."""
        listed = self._endpoint.known(function, self._clock.monotonic())
        if listed is None:
            try:
                listed = read_function(await self._page(function_request(function), patience))
            except Fault as fault:
                if not fault.remote:
                    raise
                return None
            self._endpoint.remember(function, listed, self._clock.monotonic())
        patience.learn(listed, self._clock.monotonic())
        return listed

    async def _page(self, request: Request, patience: Patience) -> bytes:
        incoming = Incoming("", None, self._endpoint.reply_bytes_max)
        await self._whole(request, incoming, patience)
        return incoming.body()

    def _remaining_s(self, patience: Patience) -> float | None:
        return patience.remaining_s(self._clock.monotonic())

    async def _whole(self, request: Request, incoming: Incoming, patience: Patience) -> None:
        """Exchange it all within the time there is, however slowly the answer trickles."""
        try:
            async with (
                asyncio.timeout(patience.left_s(self._clock.monotonic())),
                aclosing(self._chunks(request, incoming, patience)) as chunks,
            ):
                async for chunk in chunks:
                    incoming.gather(chunk)
        except TimeoutError:
            raise patience.exceeded(Started.UNKNOWN) from None

    async def _both(self, request: Request, incoming: Incoming, patience: Patience) -> AsyncGenerator[Any]:
        """Send items and give those that come. Raises the `Fault` of what goes wrong."""
        from dragoman.client import duplex  # noqa: PLC0415 - 12 ms of wsproto, which few calls have a use for

        now = self._clock.monotonic
        if self._closed:
            raise Draining("this connection is closed; connect again", function=patience.function)
        try:
            sending = self._endpoint.sending(request, patience.left_s(now()))
            sending["headers"] |= duplex.upgrade()
            async with aclosing(duplex.both_ways(self._client, sending, request, incoming, patience)) as values:
                while True:
                    async with asyncio.timeout(patience.left_s(now())):
                        value = await anext(values, duplex.END)
                    if value is duplex.END:
                        return
                    yield value
        except TimeoutError:
            raise patience.exceeded(Started.UNKNOWN) from None
        except ERRORS as error:
            raise fault_of(error, self._endpoint.address, patience, now()) from error

    async def _chunks(self, request: Request, incoming: Beginning, patience: Patience) -> AsyncGenerator[bytes]:
        """Send, hand the head to `incoming`, give the body as it comes. Raises the `Fault` of what goes wrong."""
        now = self._clock.monotonic
        if self._closed:
            raise Draining("this connection is closed; connect again", function=patience.function)
        try:
            sending = self._endpoint.sending(request, patience.left_s(now()))
            if request.items is not None:
                sending["content"] = async_lines(request.items)
            async with self._client.stream(**sending) as response:
                incoming.begin(response.status_code, response.headers)
                async for chunk in response.aiter_raw():
                    patience.left_s(now())
                    yield chunk
        except ERRORS as error:
            raise fault_of(error, self._endpoint.address, patience, now()) from error
