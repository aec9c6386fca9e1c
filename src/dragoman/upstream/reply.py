"""From the response of a service to a reply: its bytes where they are what was asked for, else a fault."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from dragoman.client.hop import HopError
from dragoman.contract import codec
from dragoman.contract.codecs import json
from dragoman.core.call import Codec, Reply
from dragoman.core.deadline import NEVER
from dragoman.core.fault import DataLoss, DeadlineExceeded, Fault, Started, Unavailable
from dragoman.upstream.pieces import Pieces, checked, one_line, too_large

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dragoman.client.hop import Answer
    from dragoman.core.call import Call
    from dragoman.core.clock import Clock


def whole(kind: str, body: bytes, content_type: str, call: Call) -> Reply:
    """The reply of a body that has come. Raises `DataLoss` for one that is not of its kind."""
    if call.target.raw_output:
        wanted = call.reply_codec if call.reply_codec in (Codec.BYTES, Codec.MSGPACK) else Codec.JSON
        return Reply(codec.encode(body, wanted), wanted)
    if not body:
        return Reply(b"null")
    if kind in ("json", ""):
        return Reply(checked_json(body, call.target.name))
    if kind in ("text", "form"):
        return Reply(json.encode(_text(body, content_type, call.target.name)))
    wanted = Codec.MSGPACK if call.reply_codec is Codec.MSGPACK else Codec.JSON
    return Reply(codec.encode(body, wanted), wanted)


def checked_json(body: bytes, function: str) -> bytes:
    """A JSON value, without the mark that some put before it. Raises `DataLoss`."""
    return checked(body.removeprefix(b"\xef\xbb\xbf"), function)


def _text(body: bytes, content_type: str, function: str) -> str:
    charset = "utf-8"
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"') or charset
    try:
        return body.decode(charset)
    except (LookupError, UnicodeDecodeError):
        detail = f"the service answered text that is not of its charset, {charset[:40]}"
        raise DataLoss(detail, started=Started.YES, function=function) from None


class ItemStream:
    """The items of a streamed response. Closing it closes the connection, which is how a service hears of a cancel."""

    def __init__(self, answer: Answer, cut: Pieces, call: Call, clock: Clock, left: Callable[[], object]) -> None:
        """`left()` is called once, when the stream is over."""
        self._answer = answer
        self._cut = cut
        self._call = call
        self._clock = clock
        self._left = left
        self._chunks = answer.chunks()
        self._ready: deque[bytes] = deque()
        self._fault: Fault | None = None
        self._over = False
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            while not self._ready and not self._over:
                await self._more()
        except BaseException:
            await self.aclose()
            raise
        if self._ready:
            return self._ready.popleft()
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End it, if it has not ended."""
        if self._closed:
            return
        self._closed = self._over = True
        self._ready.clear()
        try:
            await self._chunks.aclose()
            await self._answer.close()
        finally:
            self._left()

    async def _more(self) -> None:
        if self._fault is not None:
            raise self._fault
        chunk = await within(self._chunk(), self._call, self._clock)
        try:
            for item in self._cut.finish() if chunk is None else self._cut.feed(chunk):
                self._ready.append(item)
        except Fault as fault:
            self._fault = fault  # told after the items before it
        self._over = chunk is None and self._fault is None

    async def _chunk(self) -> bytes | None:
        try:
            return await anext(self._chunks, None)
        except HopError as error:
            raise Unavailable(error.detail, started=error.started, function=self._call.target.name) from None


async def within(work: Any, call: Call, clock: Clock) -> Any:
    """Await, for as long as the call has time. Raises `DeadlineExceeded`."""
    if call.deadline == NEVER:
        return await work
    limit = asyncio.timeout(max(call.deadline - clock.monotonic(), 0.0))
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        name = call.target.name
        detail = f"{name} ran past its {call.deadline - call.arrived_at:g}s timeout"
        raise DeadlineExceeded(detail, started=Started.YES, function=name) from None


def array_items(body: bytes) -> list[bytes]:
    """The items of a body that came whole where a stream was expected: those of an array, else the value itself."""
    value: Any = json.decode(body)
    return [json.encode(each) for each in value] if isinstance(value, list) else [one_line(body)]  # pyright: ignore[reportUnknownVariableType] - any JSON


class WholeStream:
    """Items that have all come."""

    def __init__(self, items: list[bytes]) -> None:
        self._items = deque(items)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._items:
            raise StopAsyncIteration
        return self._items.popleft()

    async def aclose(self) -> None:
        """Drop the rest."""
        self._items.clear()


async def gathered(stream: ItemStream, bytes_max: int, function: str) -> Reply:
    """All items as one array, for a function that does not stream. Raises `OutOfRange`."""
    items: list[bytes] = []
    size = 0
    try:
        async for item in stream:
            size += len(item) + 1
            if size > bytes_max:
                raise too_large(function, bytes_max)
            items.append(item)
    finally:
        await stream.aclose()
    return Reply(b"[" + b",".join(items) + b"]")
