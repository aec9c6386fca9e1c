"""A host behind a native ingress, for blocking callers, usable from any thread.

Over a UNIX socket a call goes straight from the calling thread to the socket. TLS wants one reader and writer at a
time, so there a loop in a thread of its own does both.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from dragoman.client.async_native import AsyncNative
from dragoman.client.exchange import CONNECT_S_MAX
from dragoman.client.face import Named
from dragoman.client.link import Link
from dragoman.client.listing import read_function, read_functions
from dragoman.client.marks import NONE, marks_of
from dragoman.client.native import RESENDS_MAX, Tries, closed, patience_of
from dragoman.client.native_desk import NativeDesk
from dragoman.client.submitting import Submitting
from dragoman.client.wired import FUNCTION, LISTING, ask_blocking, ask_json, checked, may_go_again, value_of
from dragoman.contract import codec as codecs
from dragoman.core.call import Codec
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault
from dragoman.core.forking import tell_at_fork

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Generator
    from types import TracebackType

    from dragoman.client.exchange import Patience
    from dragoman.client.marks import Marks
    from dragoman.client.native import NativeEndpoint
    from dragoman.client.wired import Asked
    from dragoman.contract.function import Contract


class NativeRemote(Named, Submitting):
    """A host behind a native ingress: `remote.stats.correlation(data=rows)`."""

    def __init__(self, at: NativeEndpoint) -> None:
        self._endpoint = at
        self._way: Straight | ThroughLoop = Straight(at) if at.tls is None else ThroughLoop(at)
        self._async: AsyncNative | None = None
        self._desk = NativeDesk(self._way.exchange, self._stream, at.reply_bytes_max)
        tell_at_fork(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> AsyncNative:
        """The same host, for calls to await on the running loop."""
        self._async = AsyncNative(self._endpoint)
        return self._async

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._async is not None:
            await self._async.close()
        self.close()

    def __repr__(self) -> str:
        return f"<remote {self._endpoint.address}>"

    def close(self) -> None:
        """Close the connection; calls in flight in other threads break off. Harmless when repeated."""
        self._way.close()

    def leave_to_parent(self) -> None:
        """This is a forked copy: the connection is the parent's, and the next call makes one of its own."""
        self._way.leave_to_parent()

    @property
    def functions(self) -> dict[str, Contract]:
        """The functions by full name, with what they promise, asked for anew. Raises the `Fault` of the asking."""
        return {name: listed.contract for name, listed in read_functions(self.page()).items()}

    def page(self) -> bytes:
        """The list of functions as the host writes it: JSON. Raises the `Fault` of the asking."""
        return self._way.exchange(ask_json(LISTING, b"{}"), None)[1]

    def contract(self, function: str, *, timeout: float | None = None) -> Contract:
        """What one function promises. Raises `NotFound` where there is none, or the `Fault` of the asking."""
        asked = ask_json(FUNCTION, codecs.encode({"name": function}, Codec.JSON))
        return read_function(self._way.exchange(asked, timeout)[1]).contract

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
        asked = ask_blocking(function, input, marks_of(priority, idempotency_key))
        codec, body = self._way.exchange(asked, timeout)
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
    ) -> Generator[Any]:
        """Call a streaming function and iterate over its items as they come. Raises the call's `Fault`.

        Closing the generator before its end, or dropping it, cancels the call.
        """
        return self._way.stream(function, input, timeout, marks_of(priority, idempotency_key))

    def _stream(self, function: str, given: dict[str, Any], timeout_s: float) -> Generator[Any]:
        return self._way.stream(function, given, timeout_s, NONE)


class Straight:
    """From any thread to a UNIX socket."""

    def __init__(self, at: NativeEndpoint) -> None:
        self._endpoint = at
        self._clock = SystemClock()
        self._link: Link | None = None
        self._connecting = threading.Lock()
        self._known = False
        self._closed = threading.Event()

    def exchange(self, asked: Asked, timeout_s: float | None) -> tuple[int, bytes]:
        """One call, its reply's codec and body. One that surely was not begun goes to the next host."""
        patience = patience_of(asked.function, timeout_s, self._clock)
        tries = 0
        while True:
            link = self._link
            if link is None or not link.usable:
                link = self._reach(patience)
            try:
                return link.call(asked, patience)
            except Fault as fault:
                tries += 1
                if link.usable or tries > RESENDS_MAX or not may_go_again(fault, asked):
                    raise

    def stream(self, function: str, value: Any, timeout_s: float | None, marks: Marks) -> Generator[Any]:
        """Iterate over a stream."""
        asked, patience = ask_blocking(function, value, marks), patience_of(function, timeout_s, self._clock)
        link = self._reach(patience)
        call_id, slot = link.begin_stream(asked, patience)
        try:
            while items := link.next_items(call_id, slot, patience):
                for codec, body in items:
                    yield value_of(checked(body, self._endpoint.reply_bytes_max, function), codec, function, value)
        finally:
            link.cancel(call_id)

    def leave_to_parent(self) -> None:
        """A forked process: a thread that it has not may have held the lock. The link knows whose it is."""
        self._connecting = threading.Lock()

    def close(self) -> None:
        """Close the connection."""
        self._closed.set()
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _reach(self, patience: Patience) -> Link:
        """The connection, made anew where there is none. Raises `Unavailable` where that cannot be."""
        with self._connecting:
            link = self._link
            if link is not None and link.usable:
                return link
            tries = Tries(self._endpoint, patience, self._clock, known=self._known)
            while not self._closed.is_set():
                try:
                    self._link = self._connect(patience)
                except OSError as error:
                    self._closed.wait(tries.pause_s(error))
                else:
                    self._known = True
                    return self._link
            raise closed(patience.function)

    def _connect(self, patience: Patience) -> Link:
        left_s = patience.left_s(self._clock.monotonic())
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(CONNECT_S_MAX if left_s is None else min(left_s, CONNECT_S_MAX))
            sock.connect(self._endpoint.address.path)
            sock.settimeout(None)
            link = Link(sock, str(self._endpoint.address), self._clock)
            link.greet(self._endpoint.ready(), patience)
        except BaseException:
            sock.close()
            raise
        return link


class ThroughLoop:
    """From any thread to a loop that has the connection."""

    def __init__(self, at: NativeEndpoint) -> None:
        self._endpoint = at
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: AsyncNative | None = None
        self._streams: set[AsyncGenerator[Any]] = set()
        """Held, so that the collector does not end one in a thread of its choice."""
        self._inherited: object = None
        self._closed = False

    def exchange(self, asked: Asked, timeout_s: float | None) -> tuple[int, bytes]:
        """One call, its reply's codec and body."""
        return self._run(self._open(asked.function).exchange(asked, timeout_s))

    def stream(self, function: str, value: Any, timeout_s: float | None, marks: Marks) -> Generator[Any]:
        """Iterate over a stream."""
        items = self._open(function).iterate(partial(ask_blocking, function, value, marks), function, value, timeout_s)
        self._streams.add(items)
        try:
            while True:
                try:
                    item = self._run(_next(items))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            # Not waited for: a generator that was dropped ends in any thread, also in that of the loop.
            loop = self._loop
            if loop is not None:
                asyncio.run_coroutine_threadsafe(self._end(items), loop)

    def leave_to_parent(self) -> None:
        """A forked process has the loop, but no thread that runs it; what the parent's holds is kept as it is."""
        self._inherited = (self._inherited, self._loop, self._client, self._streams)
        self._starting = threading.Lock()
        self._loop = self._thread = self._client = None
        self._streams = set()

    def close(self) -> None:
        """Close the connection, and end the thread."""
        with self._starting:
            self._closed = True
            loop, thread, client = self._loop, self._thread, self._client
            self._loop = None
        if loop is None or thread is None or client is None:
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._leave(client), loop).result(CONNECT_S_MAX)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _open(self, function: str) -> AsyncNative:
        with self._starting:
            if self._closed:
                raise closed(function)
            if self._client is None:
                loop = self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=loop.run_forever, name="dragoman-client", daemon=True)
                self._thread.start()
                self._client = asyncio.run_coroutine_threadsafe(self._make(), loop).result()
            return self._client

    async def _leave(self, client: AsyncNative) -> None:
        await client.close()
        for items in tuple(self._streams):
            await self._end(items)

    async def _end(self, items: AsyncGenerator[Any]) -> None:
        self._streams.discard(items)
        with contextlib.suppress(RuntimeError):  # it is being iterated, by what is just cancelled and ends it
            await items.aclose()

    async def _make(self) -> AsyncNative:
        return AsyncNative(self._endpoint)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        loop = self._loop
        if loop is None:
            work.close()
            raise closed("")
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


async def _next(items: AsyncGenerator[Any]) -> Any:
    # Begun on the loop, so that it is the loop that ends it where it is dropped.
    return await anext(items)
