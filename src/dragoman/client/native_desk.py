"""Tasks of a host behind a native ingress, for both faces: the same documents, as calls of the host's own functions."""

from __future__ import annotations

from contextlib import aclosing, closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from dragoman.client.desk import NOT_YET
from dragoman.client.documents import document_of, documents_of, event_of, foreign, page_of, task_of
from dragoman.client.wired import Asked, ask, ask_blocking, ask_json, checked, entries_of, value_of
from dragoman.contract import codec as codecs
from dragoman.contract.codecs import msgpack
from dragoman.core.call import Codec
from dragoman.core.fault import Aborted, Fault, Started, Unimplemented

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from dragoman.client.desk import Document, Search, TaskEvent
    from dragoman.client.order import Order

TASKS = "dragoman.tasks."
"""What the host itself does with tasks begins so."""
ANSWER_S_MAX = 60.0
"""How long an exchange may take, beside what it is held for."""
EVENTS_S_MAX = 600.0
"""A stream of events is asked for anew this often: a connection over TCP may die without a word."""
PARTS = 3
_BITS = 4
_MASK = 0xF


def submission(asked: Asked, order: Order) -> Asked:
    """The call that hands in another one."""
    if asked.given is not None:
        detail = f"{asked.function} was given an iterator, and a task's input is stored whole: give a list"
        raise Unimplemented(detail, started=Started.NO, function=asked.function)
    envelope = {
        "function": asked.function,
        "body": asked.body,
        "codec": asked.codec & _MASK,
        "reply_codec": asked.codec >> _BITS,
        **{name: value for name, value in asdict(order).items() if value is not None},
    }
    name = f"{TASKS}submit"
    return Asked(name, entries_of(name), Codec.MSGPACK | Codec.JSON << _BITS, msgpack.encode(envelope))


def question(name: str, given: Document) -> Asked:
    """The call that asks something of the host."""
    return ask_json(f"{TASKS}{name}", codecs.encode(given, Codec.JSON))


def listing(search: Search) -> Asked:
    """The call that asks for a page of a list."""
    return question("find", {**search._asdict(), "states": list(search.states)})


def event_in(item: Any) -> TaskEvent:
    """The event that an item of a stream of them is. Raises `Unknown` for what is none."""
    if isinstance(item, list) and len(parts := cast("list[Any]", item)) == PARTS and isinstance(parts[0], int):
        return event_of(parts[0], str(parts[1]), parts[2])
    raise foreign("an event has no number, kind and data")


def plain(fault: Fault) -> Fault:
    """The fault of a question, which nobody called by its name."""
    if fault.function.startswith(TASKS):
        fault.function = ""
    return fault


@dataclass(frozen=True, slots=True)
class NativeDesk:
    """For callers that block. `exchange` makes one call: its reply's codec and body; `stream` one that streams."""

    exchange: Callable[[Asked, float | None], tuple[int, bytes]]
    stream: Callable[[str, Document, float], Generator[Any]]
    reply_bytes_max: int

    def submit(self, function: str, value: Any, order: Order) -> Document:
        """Hand in a task."""
        return task_of(self._ask(submission(ask_blocking(function, value), order)))

    def show(self, id: str) -> Document:  # noqa: A002 - the public word
        """A task."""
        return task_of(self._ask(question("show", {"id": id})))

    def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        """A task, when it is over or so many seconds have passed."""
        return task_of(self._ask(question("wait", {"id": id, "seconds": seconds}), held_s=seconds))

    def result(self, id: str, function: str) -> Any:  # noqa: A002 - as above
        """What a task gave."""
        try:
            codec, body = self.exchange(question("result", {"id": id}), ANSWER_S_MAX)
        except Aborted:
            return NOT_YET
        except Fault as fault:
            raise plain(fault) from None
        return value_of(checked(body, self.reply_bytes_max, function), codec, function)

    def find(self, search: Search) -> Document:
        """A page of a list."""
        return page_of(self._ask(listing(search)))

    def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        """Cancel a task."""
        return task_of(self._ask(question("cancel", {"id": id})))

    def retry(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task run again."""
        return task_of(self._ask(question("retry", {"id": id})))

    def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        """Lines of its log."""
        return documents_of(self._ask(question("logs", {"id": id, "after": after})), "logs")

    def undelivered(self) -> list[Document]:
        """Messages that nobody took."""
        return documents_of(self._ask(question("undelivered", {})), "deliveries")

    def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have one tried again."""
        self._ask(question("redeliver", {"id": id}))

    def events(self, id: str, after: int) -> Generator[TaskEvent]:  # noqa: A002 - as above
        """What becomes of it."""
        try:
            with closing(self.stream(f"{TASKS}events", {"id": id, "after": after}, EVENTS_S_MAX)) as items:
                for item in items:
                    yield event_in(item)
        except Fault as fault:
            raise plain(fault) from None

    def _ask(self, asked: Asked, *, held_s: float = 0.0) -> Document:
        try:
            return document_of(self.exchange(asked, ANSWER_S_MAX + held_s)[1])
        except Fault as fault:
            raise plain(fault) from None


@dataclass(frozen=True, slots=True)
class AsyncNativeDesk:
    """For callers that await; else as `NativeDesk`."""

    exchange: Callable[[Asked, float | None], Awaitable[tuple[int, bytes]]]
    stream: Callable[[str, Document, float], AsyncGenerator[Any]]
    reply_bytes_max: int

    async def submit(self, function: str, value: Any, order: Order) -> Document:
        """Hand in a task."""
        return task_of(await self._ask(submission(ask(function, value), order)))

    async def show(self, id: str) -> Document:  # noqa: A002 - the public word
        """A task."""
        return task_of(await self._ask(question("show", {"id": id})))

    async def wait(self, id: str, seconds: float) -> Document:  # noqa: A002 - as above
        """A task, when it is over or so many seconds have passed."""
        return task_of(await self._ask(question("wait", {"id": id, "seconds": seconds}), held_s=seconds))

    async def result(self, id: str, function: str) -> Any:  # noqa: A002 - as above
        """What a task gave."""
        try:
            codec, body = await self.exchange(question("result", {"id": id}), ANSWER_S_MAX)
        except Aborted:
            return NOT_YET
        except Fault as fault:
            raise plain(fault) from None
        return value_of(checked(body, self.reply_bytes_max, function), codec, function)

    async def find(self, search: Search) -> Document:
        """A page of a list."""
        return page_of(await self._ask(listing(search)))

    async def cancel(self, id: str) -> Document:  # noqa: A002 - as above
        """Cancel a task."""
        return task_of(await self._ask(question("cancel", {"id": id})))

    async def retry(self, id: str) -> Document:  # noqa: A002 - as above
        """Have a task run again."""
        return task_of(await self._ask(question("retry", {"id": id})))

    async def logs(self, id: str, after: int) -> list[Document]:  # noqa: A002 - as above
        """Lines of its log."""
        return documents_of(await self._ask(question("logs", {"id": id, "after": after})), "logs")

    async def undelivered(self) -> list[Document]:
        """Messages that nobody took."""
        return documents_of(await self._ask(question("undelivered", {})), "deliveries")

    async def redeliver(self, id: str) -> None:  # noqa: A002 - as above
        """Have one tried again."""
        await self._ask(question("redeliver", {"id": id}))

    async def events(self, id: str, after: int) -> AsyncGenerator[TaskEvent]:  # noqa: A002 - as above
        """What becomes of it."""
        try:
            async with aclosing(self.stream(f"{TASKS}events", {"id": id, "after": after}, EVENTS_S_MAX)) as items:
                async for item in items:
                    yield event_in(item)
        except Fault as fault:
            raise plain(fault) from None

    async def _ask(self, asked: Asked, *, held_s: float = 0.0) -> Document:
        try:
            return document_of((await self.exchange(asked, ANSWER_S_MAX + held_s))[1])
        except Fault as fault:
            raise plain(fault) from None
