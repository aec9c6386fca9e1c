"""A host behind a native ingress, for callers that await, on one running loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from dragoman.client.async_link import AsyncLink
from dragoman.client.exchange import CONNECT_S_MAX
from dragoman.client.face import Named
from dragoman.client.listing import read_functions
from dragoman.client.marks import marks_of
from dragoman.client.native import RESENDS_MAX, Tries, closed, patience_of
from dragoman.client.native_desk import AsyncNativeDesk
from dragoman.client.submitting import AsyncSubmitting
from dragoman.client.wired import LISTING, ask, ask_json, checked, may_go_again, value_of
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, Started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from dragoman.client.exchange import Patience
    from dragoman.client.native import NativeEndpoint
    from dragoman.client.wired import Asked
    from dragoman.contract.function import Contract


class AsyncNative(Named, AsyncSubmitting):
    """A host behind a native ingress: `await remote.stats.correlation(data=rows)`."""

    def __init__(self, at: NativeEndpoint) -> None:
        self._endpoint = at
        self._clock = SystemClock()
        self._link: AsyncLink | None = None
        self._connecting = asyncio.Lock()
        self._known = False
        self._closed = asyncio.Event()
        self._desk = AsyncNativeDesk(self.exchange, self._stream, at.reply_bytes_max)

    def __repr__(self) -> str:
        return f"<remote {self._endpoint.address}>"

    async def close(self) -> None:
        """Close the connection; calls in flight break off. Harmless when repeated."""
        self._closed.set()
        link, self._link = self._link, None
        if link is not None:
            link.close()
            await link.gone.wait()

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
        codec, body = await self.exchange(ask(function, input, marks_of(priority, idempotency_key)), timeout)
        return value_of(checked(body, self._endpoint.reply_bytes_max, function), codec, function, input)

    def stream(
        self,
        function: str,
        /,
        input: Any = None,  # noqa: A002 - the public word
        *,
        timeout: float | None = None,
        priority: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncGenerator[Any]:
        """Call a streaming function and iterate over its items as they come. Raises the call's `Fault`.

        Closing the generator before its end cancels the call.
        """
        return self.iterate(
            partial(ask, function, input, marks_of(priority, idempotency_key)), function, input, timeout
        )

    async def iterate(
        self, asking: Callable[[], Asked], function: str, value: Any, timeout_s: float | None
    ) -> AsyncGenerator[Any]:
        """As `stream`, where `asking` makes the call of a function and its input."""
        asked, patience = asking(), patience_of(function, timeout_s, self._clock)
        link = await self._reach(patience)
        call_id, slot = await link.begin(asked, patience.remaining_s(self._clock.monotonic()), stream=True)
        try:
            while True:
                async with self._within(patience):
                    items = await link.next_items(call_id, slot)
                if not items:
                    return
                for codec, body in items:
                    yield value_of(checked(body, self._endpoint.reply_bytes_max, function), codec, function, value)
        finally:
            link.cancel(call_id)

    async def exchange(self, asked: Asked, timeout_s: float | None) -> tuple[int, bytes]:
        """One call, its reply's codec and body. One that surely was not begun goes to the next host."""
        patience = patience_of(asked.function, timeout_s, self._clock)
        tries = 0
        while True:
            link = await self._reach(patience)
            try:
                async with self._within(patience):
                    return await link.call(asked, patience.remaining_s(self._clock.monotonic()))
            except Fault as fault:
                tries += 1
                if link.usable or tries > RESENDS_MAX or not may_go_again(fault, asked):
                    raise

    def _stream(self, function: str, given: dict[str, Any], timeout_s: float) -> AsyncGenerator[Any]:
        return self.stream(function, given, timeout=timeout_s)

    async def _functions(self) -> dict[str, Contract]:
        _, body = await self.exchange(ask_json(LISTING, b"{}"), None)
        return {name: listed.contract for name, listed in read_functions(body).items()}

    @asynccontextmanager
    async def _within(self, patience: Patience) -> AsyncGenerator[None]:
        left_s = patience.left_s(self._clock.monotonic())
        if left_s is None:
            yield
            return
        try:
            async with asyncio.timeout(left_s):
                yield
        except TimeoutError:
            raise patience.exceeded(Started.UNKNOWN) from None

    async def _reach(self, patience: Patience) -> AsyncLink:
        """The connection, made anew where there is none. Raises `Unavailable` where that cannot be."""
        link = self._link
        if link is not None and link.usable:
            return link
        async with self._connecting:
            link = self._link
            if link is not None and link.usable:
                return link
            if link is not None:
                link.close_when_done()
            if self._closed.is_set():
                raise closed(patience.function)
            tries = Tries(self._endpoint, patience, self._clock, known=self._known)
            while True:
                try:
                    self._link = await self._connect(patience)
                except OSError as error:
                    pause_s = tries.pause_s(error)
                else:
                    self._known = True
                    return self._link
                try:
                    async with asyncio.timeout(pause_s):
                        await self._closed.wait()
                except TimeoutError:
                    continue
                raise closed(patience.function)

    async def _connect(self, patience: Patience) -> AsyncLink:
        loop, at = asyncio.get_running_loop(), self._endpoint
        link = AsyncLink(str(at.address), at.ready())
        left_s = patience.left_s(self._clock.monotonic())
        async with asyncio.timeout(CONNECT_S_MAX if left_s is None else min(left_s, CONNECT_S_MAX)):
            if at.address.path:
                await loop.create_unix_connection(lambda: link, at.address.path)
            else:
                await loop.create_connection(lambda: link, at.address.host, at.address.port, ssl=at.tls)
            try:
                await link.greeted
            except BaseException:
                link.close()
                raise
        return link
