"""What a host does with tasks for clients of its native ingress, and for its operators: `dragoman.tasks.…`.

Each is a call that takes an object and gives one, in JSON: those that the routes of HTTP give. `submit` takes a
function and its `input`, or the `body` of a call as it would have travelled, with its codecs; `result` gives the result
as it is stored; `events` is a stream of `[seq, kind, data]`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from dragoman.client.desk import PAGE, Search
from dragoman.client.order import Wanted, order_of
from dragoman.contract import codec as codecs
from dragoman.core.call import Call, Codec, Reply
from dragoman.core.fault import Aborted, InvalidArgument, Started
from dragoman.core.target import Target
from dragoman.host.desk import query_of, result_of, resumable, terms_of
from dragoman.ingress.native.doors import OWN, Door
from dragoman.ingress.native.listing import input_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from dragoman.client.desk import Document, TaskEvent
    from dragoman.client.order import Order
    from dragoman.core.service import Service
    from dragoman.host.host import Host
    from dragoman.ingress.native.doors import Meter
    from dragoman.tasks.tasks import Tasks

PREFIX = f"{OWN}tasks."
WAIT_S_MAX = 60.0
"""Nobody is kept waiting for longer: who waits still asks again."""
ANSWER_S_MAX = 86_400.0
"""How long an answer may take, events of a long task included; clients say what they want to wait."""
SEQ_MAX = 2**63 - 1
CODECS = frozenset(Codec) - {Codec.NONE}
TEXT_CHARS_MAX = 512
"""No id, and no name of a function, is longer."""


class TaskDoors:
    """The functions of one host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def doors(self, meter: Meter) -> dict[str, Door]:
        """A door for each of them."""
        answers: dict[str, Callable[[Document], Awaitable[Document]]] = {
            "show": self._show,
            "wait": self._wait,
            "find": self._find,
            "cancel": self._cancel,
            "retry": self._retry,
            "logs": self._logs,
            "undelivered": self._undelivered,
            "redeliver": self._redeliver,
        }
        services: dict[str, Service] = {
            "submit": self._submit,
            "result": self._result,
            "events": self._events,
            **{name: _answering(answer) for name, answer in answers.items()},
        }
        return {
            PREFIX + name: Door(Target(PREFIX + name, "dragoman", name, 0, ANSWER_S_MAX), service, meter)
            for name, service in services.items()
        }

    @property
    def _tasks(self) -> Tasks:
        return self._host.tasking.tasks

    async def _submit(self, call: Call) -> Reply:
        given = input_of(call)
        body, codec, reply_codec = body_of(call, given)
        name = text(given, "function")
        target = self._host.registry.find(name).target
        submitted = self._host.call(target, body, codec, reply_codec)
        submitted.caller, submitted.trace = call.caller, call.trace
        order = order_in(call, given)
        order.marks.put(submitted)
        document, _ = await self._tasks.submit(submitted, terms_of(order))
        return _json(document)

    async def _result(self, call: Call) -> Reply:
        given = input_of(call)
        reply = result_of(await self._tasks.result(text(given, "id")))
        if reply is None:
            raise Aborted("the task is not over", started=Started.NO)
        return reply

    async def _events(self, call: Call) -> Reply:
        given = input_of(call)
        task, after = text(given, "id"), number(given, "after", SEQ_MAX)
        return Reply(b"", Codec.JSON, Items(resumable(self._tasks.events(task, int(after)), int(after))))

    async def _show(self, given: Document) -> Document:
        return await self._tasks.show(text(given, "id"))

    async def _wait(self, given: Document) -> Document:
        return await self._tasks.wait(text(given, "id"), number(given, "seconds", WAIT_S_MAX))

    async def _find(self, given: Document) -> Document:
        states = given.get("states", [])
        if not isinstance(states, list) or not all(isinstance(each, str) for each in cast("list[Any]", states)):
            raise InvalidArgument("states is a list of states", started=Started.NO)
        search = Search(
            tuple(cast("list[str]", states)),
            text(given, "function"),
            text(given, "before"),
            int(number({"limit": PAGE, **given}, "limit", SEQ_MAX)),
        )
        return await self._tasks.find(query_of(search))

    async def _cancel(self, given: Document) -> Document:
        return await self._tasks.cancel(text(given, "id"))

    async def _retry(self, given: Document) -> Document:
        return await self._tasks.retry(text(given, "id"))

    async def _logs(self, given: Document) -> Document:
        return {"logs": await self._tasks.logs(text(given, "id"), int(number(given, "after", SEQ_MAX)))}

    async def _undelivered(self, _: Document) -> Document:
        return {"deliveries": await self._tasks.undelivered()}

    async def _redeliver(self, given: Document) -> Document:
        await self._tasks.redeliver(text(given, "id"))
        return {"id": text(given, "id")}


class Items:
    """The events of a task as items of a reply."""

    def __init__(self, events: AsyncGenerator[TaskEvent]) -> None:
        self._events = events

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        async for event in self._events:
            yield _encoded(list(event))

    async def aclose(self) -> None:
        """Hear no more of it."""
        await self._events.aclose()


def body_of(call: Call, given: Document) -> tuple[bytes, Codec, Codec]:
    """The body of the call that is submitted, its codec, and that of its reply. Raises `InvalidArgument`."""
    if "body" not in given:
        value = given.get("input", {})
        if not isinstance(value, dict):
            raise _wrong(call, "input is no object")
        return codecs.encode(value, Codec.JSON), Codec.JSON, Codec.JSON
    body, codec, reply_codec = given["body"], given.get("codec"), given.get("reply_codec")
    if not isinstance(body, bytes) or codec not in CODECS or reply_codec not in CODECS:
        raise _wrong(call, "body, codec or reply_codec is missing, or none of its kind")
    return body, Codec(codec), Codec(reply_codec)


def order_in(call: Call, given: Document) -> Order:
    """The words of a submission. Raises `InvalidArgument`."""
    words = {name: given.get(name) for name in Wanted.__annotations__}
    try:
        return order_of(**cast("Wanted", words))
    except (TypeError, ValueError) as error:
        raise _wrong(call, str(error)) from None


def text(given: Document, name: str) -> str:
    """A text of an input, empty where there is none. Raises `InvalidArgument`."""
    value = given.get(name, "")
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
        raise InvalidArgument(f"{name} is a text of at most {TEXT_CHARS_MAX} characters", started=Started.NO)
    return value


def number(given: Document, name: str, most: float) -> float:
    """A number of an input, 0 where there is none; not more than `most`. Raises `InvalidArgument`."""
    value = given.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise InvalidArgument(f"{name} is a number, 0 or more", started=Started.NO)
    return min(value, most)


def _answering(answer: Callable[[Document], Awaitable[Document]]) -> Service:
    async def service(call: Call) -> Reply:
        return _json(await answer(input_of(call)))

    return service


def _json(value: Document) -> Reply:
    return Reply(_encoded(value), Codec.JSON)


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _wrong(call: Call, why: str) -> InvalidArgument:
    return InvalidArgument(f"the input of {call.target.name}: {why}", started=Started.NO)
