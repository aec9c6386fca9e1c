"""A remote host for blocking callers, usable from any thread; `async with` on it gives the face to await."""

from __future__ import annotations

import threading
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Self

import httpx2

from dragoman.client.async_remote import AsyncRemote
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
from dragoman.client.http_desk import HttpDesk
from dragoman.client.lines import lines
from dragoman.client.listing import Listed, read_function, read_functions
from dragoman.client.marks import marks_of
from dragoman.client.submitting import Submitting
from dragoman.client.trouble import ERRORS, fault_of
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Draining, Fault, NotFound, Unimplemented
from dragoman.core.forking import tell_at_fork

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from types import TracebackType

    from dragoman.client.endpoint import Endpoint
    from dragoman.client.exchange import Beginning
    from dragoman.client.marks import Marks
    from dragoman.contract.function import Contract


class Remote(Named, Submitting):
    """A remote host: `remote.stats.correlation(data=rows)`."""

    def __init__(self, at: Endpoint) -> None:
        self._endpoint = at
        self._clock = SystemClock()
        self._client: httpx2.Client | None = None
        self._opening = threading.Lock()
        self._async: AsyncRemote | None = None
        self._desk = HttpDesk(self._whole, self._chunks, self._learn, at.reply_bytes_max, self._clock)
        self._closed = False
        self._inherited: object = None
        tell_at_fork(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> AsyncRemote:
        """The same host, for calls to await on the running loop."""
        self._async = AsyncRemote(self._endpoint)
        return self._async

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._async is not None:
            await self._async.close()
        self.close()

    def __repr__(self) -> str:
        return f"<remote {self._endpoint.address}>"

    def leave_to_parent(self) -> None:
        """This is a forked copy: the connections are the parent's, and the next call makes one of its own."""
        self._inherited = (self._inherited, self._client)
        self._client = None
        self._opening = threading.Lock()

    def close(self) -> None:
        """Close the connections; calls in flight in other threads break off. Harmless when repeated."""
        with self._opening:
            self._closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @property
    def functions(self) -> dict[str, Contract]:
        """The functions by full name, with what they promise, asked for anew. Raises the `Fault` of the asking."""
        return {name: listed.contract for name, listed in read_functions(self.page()).items()}

    def page(self) -> bytes:
        """The list of functions as the host writes it: JSON. Raises the `Fault` of the asking."""
        return self._page(FUNCTIONS_REQUEST, Patience("", None, self._clock.monotonic()))

    def contract(self, function: str, *, timeout: float | None = None) -> Contract:
        """What one function promises. Raises `NotFound` where there is none, or the `Fault` of the asking."""
        patience = Patience(function, checked_timeout(timeout), self._clock.monotonic())
        return self._ask(function, patience).contract

    def call(
        self,
        function: str,
        /,
        input: Any = None,  # noqa: A002 - the public word
        *,
        timeout: float | None = None,
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
        listed = self._learn(function, patience)
        request = call_request(function, input, listed, self._remaining_s(patience), streamed=False)
        request = marked(request, marks)
        if request.upgrades:
            return list(self._both(function, input, timeout, marks))
        incoming = Incoming(function, listed, self._endpoint.reply_bytes_max, input)
        try:
            self._whole(request, incoming, patience)
            return incoming.value()
        except NotFound:
            self._endpoint.forget(function)
            raise

    def stream(
        self,
        function: str,
        /,
        input: Any = None,  # noqa: A002 - the public word
        *,
        timeout: float | None = None,
        priority: str | None = None,
        idempotency_key: str | None = None,
    ) -> Generator[Any]:
        """Call a streaming function and iterate over its items as they come. Raises the call's `Fault`.

        Closing the generator before its end, or dropping it, cancels the call.
        """
        marks = marks_of(priority, idempotency_key)
        patience = Patience(function, checked_timeout(timeout), self._clock.monotonic())
        listed = self._learn(function, patience)
        if listed is not None and not listed.contract.streaming:
            raise Unimplemented(f"{function} does not stream; call it", function=function)
        request = call_request(function, input, listed, self._remaining_s(patience), streamed=True)
        request = marked(request, marks)
        if request.upgrades:
            with closing(self._both(function, input, timeout, marks)) as values:
                yield from values
            return
        incoming = Incoming(function, listed, self._endpoint.reply_bytes_max)
        with closing(self._chunks(request, incoming, patience)) as chunks:
            for chunk in chunks:
                yield from incoming.feed(chunk)
        incoming.finish()

    def _both(self, function: str, given: Any, timeout: float | None, marks: Marks) -> Generator[Any]:
        """A stream both ways, by the other face: one thread cannot wait for both directions."""
        from dragoman.client.duplex import blocking  # noqa: PLC0415 - 12 ms of wsproto, which few calls have a use for

        async def values() -> AsyncGenerator[Any]:
            remote = AsyncRemote(self._endpoint)
            try:
                async with aclosing(remote.stream(function, given, timeout=timeout, **marks.words())) as items:
                    async for item in items:
                        yield item
            finally:
                await remote.close()

        return blocking(values())

    def _learn(self, function: str, patience: Patience) -> Listed | None:
        """What the host tells of a function; None where it tells nothing, which the call itself will explain."""
        listed = self._endpoint.known(function, self._clock.monotonic())
        if listed is None:
            try:
                listed = self._ask(function, patience)
            except Fault as fault:
                if not fault.remote:
                    raise
                return None
        patience.learn(listed, self._clock.monotonic())
        return listed

    def _ask(self, function: str, patience: Patience) -> Listed:
        listed = read_function(self._page(function_request(function), patience))
        self._endpoint.remember(function, listed, self._clock.monotonic())
        return listed

    def _page(self, request: Request, patience: Patience) -> bytes:
        incoming = Incoming("", None, self._endpoint.reply_bytes_max)
        self._whole(request, incoming, patience)
        return incoming.body()

    def _remaining_s(self, patience: Patience) -> float | None:
        return patience.remaining_s(self._clock.monotonic())

    def _open(self, function: str) -> httpx2.Client:
        """The HTTP client, made once however many threads ask for it. Raises `Draining` after `close`."""
        with self._opening:
            if self._closed:
                raise Draining("this connection is closed; connect again", function=function)
            if self._client is None:
                self._client = httpx2.Client(**self._endpoint.options())
            return self._client

    def _whole(self, request: Request, incoming: Incoming, patience: Patience) -> None:
        with closing(self._chunks(request, incoming, patience)) as chunks:
            for chunk in chunks:
                incoming.gather(chunk)

    def _chunks(self, request: Request, incoming: Beginning, patience: Patience) -> Generator[bytes]:
        """Send, hand the head to `incoming`, give the body as it comes. Raises the `Fault` of what goes wrong."""
        now = self._clock.monotonic
        client = self._client or self._open(patience.function)
        try:
            sending = self._endpoint.sending(request, patience.left_s(now()))
            if request.items is not None:
                sending["content"] = lines(request.items, patience.function)
            with client.stream(**sending) as response:
                incoming.begin(response.status_code, response.headers)
                for chunk in response.iter_raw():
                    patience.left_s(now())
                    yield chunk
        except ERRORS as error:
            raise fault_of(error, self._endpoint.address, patience, now()) from error
