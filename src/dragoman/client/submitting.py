"""The part of a face that has to do with durable tasks: submitting them, finding them again, listing them."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from dragoman.client.async_task import AsyncTask
from dragoman.client.backoff import TRIES_S_MAX
from dragoman.client.desk import Search
from dragoman.client.order import order_of
from dragoman.client.persistence import Persistence
from dragoman.client.task import Task, pause
from dragoman.core.clock import SystemClock
from dragoman.core.fault import DeadlineExceeded, Fault, NotFound, Started, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable
    from typing import Unpack

    from dragoman.client.desk import AsyncDesk, Desk, Document
    from dragoman.client.order import Order, Wanted

CLOCK = SystemClock()
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class Submitting:
    """For callers that block."""

    _desk: Desk
    """Where tasks are handed in."""

    def submit(self, function: str, /, input: Any = None, **wanted: Unpack[Wanted]) -> Task:  # noqa: A002 - the public word
        """Have a function called as a durable task: stored before it runs, at least once, whatever dies meanwhile.

        All but the input may be left out; what is not said is as the function's settings have it, and may only be less.

        Args:
            function: Its full name.
            input: The whole input, as for `call`.
            wanted: `delay`: how long until it may first run; `deadline`: in which time all of it must end, waiting
                included; `timeout`: for one attempt; all in seconds, or as `"5m"`. `attempts`: how many there may be.
                `key`: submissions with the same one are one task, and may be repeated; where the connection breaks this
                is done here. `priority`: `"critical"`, `"normal"` or `"batch"`. `callback`: a URL, or `queue:NAME`,
                that is told of its end.

        Raises:
            Fault: `NotFound`, `InvalidArgument` with `errors`, `ResourceExhausted`; then nothing was stored.
            ValueError: For words that mean nothing.
        """
        order, desk, again = order_of(**wanted), self._desk, Again()
        while True:
            try:
                return Task(desk, desk.submit(function, input, order), CLOCK)
            except (Unavailable, DeadlineExceeded) as fault:
                pause(again.pause_s(order, fault))

    def task(self, id: str) -> Task:  # noqa: A002 - the public word
        """The task with that id, whoever submitted it. Raises `NotFound` where there is none."""
        desk, id = self._desk, id_of(id)  # noqa: A001 - as above
        return Task(desk, desk.show(id), CLOCK)

    def undelivered(self) -> list[Document]:
        """Messages about the ends of tasks that nobody took, the latest first: `id`, `task`, `target`, `fault`."""
        return self._desk.undelivered()

    def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have such a message tried again. Raises `NotFound` where there is none."""
        self._desk.redeliver(id)

    def tasks(self, *, state: str | Iterable[str] = (), function: str = "") -> Generator[Task]:
        """The tasks, the newest first, of a function, and in one of these states; asked for page by page."""
        desk, search = self._desk, search_of(state, function)
        while True:
            page = desk.find(search)
            for document in page["tasks"]:
                yield Task(desk, document, CLOCK)
            if not page["next"]:
                return
            search = search._replace(before=page["next"])


class AsyncSubmitting:
    """For callers that await."""

    _desk: AsyncDesk
    """Where tasks are handed in."""

    async def submit(self, function: str, /, input: Any = None, **wanted: Unpack[Wanted]) -> AsyncTask:  # noqa: A002 - the public word
        """Have a function called as a durable task: stored before it runs, at least once, whatever dies meanwhile.

        All but the input may be left out; what is not said is as the function's settings have it, and may only be less.

        Args:
            function: Its full name.
            input: The whole input, as for `call`.
            wanted: `delay`: how long until it may first run; `deadline`: in which time all of it must end, waiting
                included; `timeout`: for one attempt; all in seconds, or as `"5m"`. `attempts`: how many there may be.
                `key`: submissions with the same one are one task, and may be repeated; where the connection breaks this
                is done here. `priority`: `"critical"`, `"normal"` or `"batch"`. `callback`: a URL, or `queue:NAME`,
                that is told of its end.

        Raises:
            Fault: `NotFound`, `InvalidArgument` with `errors`, `ResourceExhausted`; then nothing was stored.
            ValueError: For words that mean nothing.
        """
        order, desk, again = order_of(**wanted), self._desk, Again()
        while True:
            try:
                return AsyncTask(desk, await desk.submit(function, input, order), CLOCK)
            except (Unavailable, DeadlineExceeded) as fault:
                await asyncio.sleep(again.pause_s(order, fault))

    async def task(self, id: str) -> AsyncTask:  # noqa: A002 - the public word
        """The task with that id, whoever submitted it. Raises `NotFound` where there is none."""
        desk, id = self._desk, id_of(id)  # noqa: A001 - as above
        return AsyncTask(desk, await desk.show(id), CLOCK)

    async def undelivered(self) -> list[Document]:
        """Messages about the ends of tasks that nobody took, the latest first: `id`, `task`, `target`, `fault`."""
        return await self._desk.undelivered()

    async def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have such a message tried again. Raises `NotFound` where there is none."""
        await self._desk.redeliver(id)

    async def tasks(self, *, state: str | Iterable[str] = (), function: str = "") -> AsyncGenerator[AsyncTask]:
        """The tasks, the newest first, of a function, and in one of these states; asked for page by page."""
        desk, search = self._desk, search_of(state, function)
        while True:
            page = await desk.find(search)
            for document in page["tasks"]:
                yield AsyncTask(desk, document, CLOCK)
            if not page["next"]:
                return
            search = search._replace(before=page["next"])


class Again:
    """Whether a submission that broke off is made again: only with a key, which makes both of them one."""

    def __init__(self) -> None:
        self._persistence: Persistence | None = None

    def pause_s(self, order: Order, fault: Fault) -> float:
        """How long to wait before that. Raises the fault where it is not, as nobody can know, or nobody was there."""
        if not order.key or (self._persistence is None and fault.started is not Started.UNKNOWN):
            raise fault
        if self._persistence is None:
            self._persistence = Persistence(TRIES_S_MAX, CLOCK)
        return self._persistence.pause_s(fault)


def search_of(state: str | Iterable[str], function: str) -> Search:
    """What a list is asked for."""
    states = (state,) if isinstance(state, str) else tuple(state)
    return Search(states=tuple(each.upper() for each in states if each), function=function)


def id_of(text: str) -> str:
    """An id as hosts take it. Raises `NotFound` for what cannot be one."""
    if not ID.fullmatch(text):
        raise NotFound(f"there is no task {text[:64]!r}: an id looks like 019c3a5e-7c1d-7000-8000-0123456789ab")
    return text.lower()
