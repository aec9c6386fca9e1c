"""The tasks of a host in this process, as handles of tasks ask for them: values in, documents and values out."""

from __future__ import annotations

import contextlib
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from dragoman.client.desk import NOT_YET, Document, TaskEvent
from dragoman.client.ending import is_over
from dragoman.client.outflow import take_stream
from dragoman.client.value import decode_reply, encode_for
from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Breach, Draining, InvalidArgument, Started, Unavailable, Unimplemented
from dragoman.core.terms import Terms
from dragoman.tasks.state import State
from dragoman.tasks.task import Query

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator

    from dragoman.client.desk import AsyncDesk, Search
    from dragoman.client.order import Order
    from dragoman.host.host import Host
    from dragoman.tasks.tasks import Tasks

EMPTY = b"null"
STATES = frozenset(each.value for each in State)
SHOWN_CHARS_MAX = 64
CLOSED = "this project is closed; open it again"


class TasksDesk:
    """Implements `AsyncDesk` for what has tasks, and takes none."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    async def submit(self, function: str, value: Any, order: Order) -> Document:  # noqa: ARG002 - the port's words
        """Refuse: a task's input is checked by the host of its function."""
        raise Unavailable("there is no host that knows the function", started=Started.NO, function=function)

    async def show(self, id: str) -> Document:  # noqa: A002 - the public word
        """A task."""
        return await self._asked().show(id)

    async def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        """A task, when it is over or so many seconds have passed."""
        return await self._asked().wait(id, seconds)

    async def result(self, id: str, function: str) -> Any:  # noqa: A002, ARG002 - as above; the port's word
        """What a task gave."""
        reply = result_of(await self._asked().result(id))
        return NOT_YET if reply is None else decode_reply(reply)

    async def find(self, search: Search) -> Document:
        """A page of a list."""
        return await self._asked().find(query_of(search))

    async def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        """Cancel a task."""
        return await self._asked().cancel(id)

    async def retry(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task run again."""
        return await self._asked().retry(id)

    async def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        """Lines of its log."""
        return await self._asked().logs(id, after)

    def events(self, id: str, after: int) -> AsyncGenerator[TaskEvent]:  # noqa: A002 - as above
        """What becomes of it."""
        return resumable(self._asked().events(id, after), after)

    async def undelivered(self) -> list[Document]:
        """Messages that nobody took."""
        return await self._asked().undelivered()

    async def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have one tried again."""
        await self._asked().redeliver(id)

    def _asked(self) -> Tasks:
        return self._tasks


class HostDesk(TasksDesk):
    """Implements `AsyncDesk` for one host. What has its tasks is made when it is first asked."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def submit(self, function: str, value: Any, order: Order) -> Document:
        """Hand in a task."""
        host = self._host
        target = host.registry.find(function).target
        value, items = take_stream(value, target.input_stream)
        if items is not None:
            detail = f"{function} was given an iterator, and a task's input is stored whole: give a list"
            raise Unimplemented(detail, started=Started.NO, function=function)
        call = host.call(target, *encode_for(target, value))
        order.marks.put(call)
        document, _ = await self._asked().submit(call, terms_of(order))
        return document

    def _asked(self) -> Tasks:
        if self._host.draining:
            raise Draining(CLOSED)
        return self._host.tasking.tasks


class LoopDesk:
    """Implements `Desk` by an `AsyncDesk` of another thread's loop: `run` has a coroutine run there, and waits."""

    def __init__(self, desk: AsyncDesk, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._desk = desk
        self._run = run

    def submit(self, function: str, value: Any, order: Order) -> Document:
        """Hand in a task."""
        return self._run(self._desk.submit(function, value, order))

    def show(self, id: str) -> Document:  # noqa: A002 - the public word
        """A task."""
        return self._run(self._desk.show(id))

    def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        """A task, when it is over or so many seconds have passed."""
        return self._run(self._desk.wait(id, seconds))

    def result(self, id: str, function: str) -> Any:  # noqa: A002 - as above
        """What a task gave."""
        return self._run(self._desk.result(id, function))

    def find(self, search: Search) -> Document:
        """A page of a list."""
        return self._run(self._desk.find(search))

    def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        """Cancel a task."""
        return self._run(self._desk.cancel(id))

    def retry(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task run again."""
        return self._run(self._desk.retry(id))

    def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        """Lines of its log."""
        return self._run(self._desk.logs(id, after))

    def undelivered(self) -> list[Document]:
        """Messages that nobody took."""
        return self._run(self._desk.undelivered())

    def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have one tried again."""
        self._run(self._desk.redeliver(id))

    def events(self, id: str, after: int) -> Generator[TaskEvent]:  # noqa: A002 - as above
        """What becomes of it."""
        events = self._desk.events(id, after)
        try:
            while (event := self._run(_next(events))) is not None:
                yield event
        finally:
            with contextlib.suppress(Draining):  # closed before these: nobody tells them any more
                self._run(events.aclose())


async def _next(events: AsyncGenerator[TaskEvent]) -> TaskEvent | None:
    return await anext(events, None)


async def resumable(told: AsyncIterator[tuple[int, str, Document]], after: int) -> AsyncGenerator[TaskEvent]:
    """Events of a task in an order that can be gone on with: each has where to go on behind it, and the end is last."""
    over: Document | None = None
    async with aclosing(cast("AsyncGenerator[tuple[int, str, Document]]", told)) as events:
        async for seq, kind, data in events:
            if kind == "state" and is_over(data):
                over = data
                continue
            if kind == "log":
                after = max(seq, after)
            yield TaskEvent(after, kind, data)
    if over is not None:
        yield TaskEvent(max(int(over["seq"]), after), "state", over)


def terms_of(order: Order) -> Terms:
    """What an order asks for, as tasks take it."""
    return Terms(
        delay_s=order.delay or 0.0,
        deadline_s=order.deadline or 0.0,
        attempt_s=order.timeout or 0.0,
        attempts_max=order.attempts or 0,
        callback=b"" if order.callback is None else json.dumps(order.callback).encode(),
    )


def query_of(search: Search) -> Query:
    """What a list is asked for, as tasks take it. Raises `InvalidArgument` for a state that there is none of."""
    for each in search.states:
        if each not in STATES:
            expected = f"expected one of {', '.join(State)}, found {each[:SHOWN_CHARS_MAX]!r}"
            raise InvalidArgument(f"state: {expected}", errors=(Breach("/state", expected),), started=Started.NO)
    states = frozenset(State(each) for each in search.states)
    return Query(states=states, function=search.function, before=search.before, limit=search.limit)


def result_of(reply: Reply | None) -> Reply | None:
    """A result that can be read: of nothing, null."""
    return Reply(EMPTY, Codec.JSON) if reply is not None and reply.codec is Codec.NONE else reply
