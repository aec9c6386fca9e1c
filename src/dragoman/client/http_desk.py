"""Tasks of a host over HTTP, for both faces: one exchange a question."""

from __future__ import annotations

from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dragoman.client.task_requests import (
    DELIVERIES_REQUEST,
    DOCUMENT_BYTES_MAX,
    Happening,
    Quiet,
    Resulting,
    Told,
    cancel_request,
    events_request,
    find_request,
    logs_request,
    patience,
    redeliver_request,
    result_request,
    retry_request,
    show_request,
    submit_request,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from dragoman.client.desk import Document, Search, TaskEvent
    from dragoman.client.exchange import Beginning, Incoming, Patience, Request
    from dragoman.client.listing import Listed
    from dragoman.client.order import Order
    from dragoman.core.clock import Clock


@dataclass(frozen=True, slots=True)
class HttpDesk:
    """For callers that block.

    `whole` exchanges a request for an answer, `chunks` for one that comes bit by bit; `learn` tells of a function.
    """

    whole: Callable[[Request, Incoming, Patience], None]
    chunks: Callable[[Request, Beginning, Patience], Generator[bytes]]
    learn: Callable[[str, Patience], Listed | None]
    reply_bytes_max: int
    clock: Clock

    def submit(self, function: str, value: Any, order: Order) -> Document:
        """Hand in a task."""
        listed = self.learn(function, patience(self.clock, function))
        told = self._told(submit_request(function, value, listed, order), function=function)
        return told.submitted(function)

    def show(self, id: str) -> Document:  # noqa: A002 - the public word
        """A task."""
        return self._ask(show_request(id))

    def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        """A task, when it is over or so many seconds have passed."""
        return self._ask(show_request(id, seconds), held_s=seconds)

    def result(self, id: str, function: str) -> Any:  # noqa: A002 - as above
        """What a task gave."""
        resulting = Resulting(function, None, self.reply_bytes_max)
        self.whole(result_request(id), resulting, patience(self.clock, function))
        return resulting.result()

    def find(self, search: Search) -> Document:
        """A page of a list."""
        return self._told(find_request(search)).page()

    def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        """Cancel a task."""
        return self._ask(cancel_request(id))

    def retry(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task run again."""
        return self._ask(retry_request(id))

    def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        """Lines of its log."""
        return self._told(logs_request(id, after)).documents("logs")

    def undelivered(self) -> list[Document]:
        """Messages that nobody took."""
        return self._told(DELIVERIES_REQUEST).documents("deliveries")

    def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have one tried again."""
        self._told(redeliver_request(id)).document()

    def events(self, id: str, after: int) -> Generator[TaskEvent]:  # noqa: A002 - as above
        """What becomes of it."""
        happening = Happening()
        with closing(self.chunks(events_request(id, after), happening, Quiet(self.clock.monotonic()))) as chunks:
            for chunk in chunks:
                yield from happening.feed(chunk)
        happening.finish()

    def _ask(self, request: Request, *, held_s: float = 0.0) -> Document:
        return self._told(request, held_s=held_s).task()

    def _told(self, request: Request, *, held_s: float = 0.0, function: str = "") -> Told:
        told = Told(function, None, DOCUMENT_BYTES_MAX)
        self.whole(request, told, patience(self.clock, function, held_s))
        return told


@dataclass(frozen=True, slots=True)
class AsyncHttpDesk:
    """For callers that await; else as `HttpDesk`."""

    whole: Callable[[Request, Incoming, Patience], Awaitable[None]]
    chunks: Callable[[Request, Beginning, Patience], AsyncGenerator[bytes]]
    learn: Callable[[str, Patience], Awaitable[Listed | None]]
    reply_bytes_max: int
    clock: Clock

    async def submit(self, function: str, value: Any, order: Order) -> Document:
        """Hand in a task."""
        listed = await self.learn(function, patience(self.clock, function))
        told = await self._told(submit_request(function, value, listed, order), function=function)
        return told.submitted(function)

    async def show(self, id: str) -> Document:  # noqa: A002 - the public word
        """A task."""
        return await self._ask(show_request(id))

    async def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        """A task, when it is over or so many seconds have passed."""
        return await self._ask(show_request(id, seconds), held_s=seconds)

    async def result(self, id: str, function: str) -> Any:  # noqa: A002 - as above
        """What a task gave."""
        resulting = Resulting(function, None, self.reply_bytes_max)
        await self.whole(result_request(id), resulting, patience(self.clock, function))
        return resulting.result()

    async def find(self, search: Search) -> Document:
        """A page of a list."""
        return (await self._told(find_request(search))).page()

    async def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        """Cancel a task."""
        return await self._ask(cancel_request(id))

    async def retry(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task run again."""
        return await self._ask(retry_request(id))

    async def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        """Lines of its log."""
        return (await self._told(logs_request(id, after))).documents("logs")

    async def undelivered(self) -> list[Document]:
        """Messages that nobody took."""
        return (await self._told(DELIVERIES_REQUEST)).documents("deliveries")

    async def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have one tried again."""
        (await self._told(redeliver_request(id))).document()

    async def events(self, id: str, after: int) -> AsyncGenerator[TaskEvent]:  # noqa: A002 - as above
        """What becomes of it."""
        happening = Happening()
        async with aclosing(self.chunks(events_request(id, after), happening, Quiet(self.clock.monotonic()))) as chunks:
            async for chunk in chunks:
                for event in happening.feed(chunk):
                    yield event
        happening.finish()

    async def _ask(self, request: Request, *, held_s: float = 0.0) -> Document:
        return (await self._told(request, held_s=held_s)).task()

    async def _told(self, request: Request, *, held_s: float = 0.0, function: str = "") -> Told:
        told = Told(function, None, DOCUMENT_BYTES_MAX)
        await self.whole(request, told, patience(self.clock, function, held_s))
        return told
