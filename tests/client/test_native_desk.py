from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

import dragoman
from dragoman.client.desk import NOT_YET, Document, Search, TaskEvent
from dragoman.client.native_desk import (
    ANSWER_S_MAX,
    AsyncNativeDesk,
    NativeDesk,
    event_in,
    listing,
    plain,
    question,
    submission,
)
from dragoman.client.order import Order
from dragoman.client.wired import Asked, ask
from dragoman.contract import codec
from dragoman.core.call import Codec
from dragoman.wire import meta
from tests.client.desks import ID, document


def read(asked: Asked) -> tuple[meta.Entries, Any]:
    return meta.decode(asked.entries), codec.decode(asked.body, Codec(asked.codec & 15))


def test_a_submission_carries_the_call_as_it_would_have_travelled() -> None:
    inner = ask("s.f", {"a": 1})
    entries, envelope = read(submission(inner, Order(delay=1.5, key="k", priority="batch", callback="https://x")))
    assert entries.function == "dragoman.tasks.submit"
    assert envelope == {
        "function": "s.f",
        "body": inner.body,
        "codec": Codec.MSGPACK,
        "reply_codec": inner.codec >> 4,
        "delay": 1.5,
        "key": "k",
        "priority": "batch",
        "callback": "https://x",
    }


def test_an_input_that_comes_bit_by_bit_cannot_be_stored() -> None:
    with pytest.raises(dragoman.Unimplemented, match="give a list"):
        submission(ask("s.f", {"lines": iter([1])}), Order())


def test_questions_are_calls_of_the_hosts_own_functions() -> None:
    entries, given = read(question("show", {"id": ID}))
    assert (entries.function, given) == ("dragoman.tasks.show", {"id": ID})
    entries, given = read(listing(Search(("DEAD",), "s.f")))
    assert entries.function == "dragoman.tasks.find"
    assert given == {"states": ["DEAD"], "function": "s.f", "before": "", "limit": 100}


def test_what_is_no_event_of_a_host_is_said_to_be_none() -> None:
    wrongs: list[Any] = [None, [1], ["1", "state", {}], [1, "state", None], [1, "log", {"seq": "x"}], {"seq": 1}]
    for wrong in wrongs:
        with pytest.raises(dragoman.Unknown):
            event_in(wrong)
    assert event_in([3, "log", {"seq": 3}]) == TaskEvent(3, "log", {"seq": 3})


async def test_what_is_no_answer_of_a_host_is_said_to_be_none() -> None:
    asks = ("show", "wait", "cancel", "retry", "find", "logs", "undelivered")
    arguments: dict[str, tuple[Any, ...]] = {"wait": (ID, 1), "find": (Search(),), "logs": (ID, 0), "undelivered": ()}
    wrongs: list[Any] = [{}, [], {"tasks": [1], "logs": 1, "deliveries": [None]}]
    for name in asks:
        for wrong in wrongs:
            wire = Wire(json(wrong), json(wrong))
            desk, awaited = NativeDesk(wire.exchange, wire.stream, 10), AsyncNativeDesk(wire.later, wire.items, 10)
            given = arguments.get(name, (ID,))
            with pytest.raises(dragoman.Unknown, match="may be no Dragoman host"):
                getattr(desk, name)(*given)
            with pytest.raises(dragoman.Unknown, match="may be no Dragoman host"):
                await getattr(awaited, name)(*given)


def test_a_fault_names_no_function_that_nobody_called() -> None:
    assert plain(dragoman.NotFound("no", function="dragoman.tasks.show")).function == ""
    assert plain(dragoman.NotFound("no", function="s.f")).function == "s.f"


class Wire:
    """Answers as it is told, and keeps what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, float | None]] = []

    def exchange(self, asked: Asked, timeout_s: float | None) -> tuple[int, bytes]:
        self.asked.append((asked.function, timeout_s))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stream(self, function: str, given: Document, timeout_s: float) -> Generator[Any]:
        self.asked.append((function, timeout_s))
        yield from self.answers

    async def later(self, asked: Asked, timeout_s: float | None) -> tuple[int, bytes]:
        return self.exchange(asked, timeout_s)

    async def items(self, function: str, given: Document, timeout_s: float) -> AsyncGenerator[Any]:
        for item in self.stream(function, given, timeout_s):
            yield item


def json(value: Any) -> tuple[int, bytes]:
    return int(Codec.JSON), codec.encode(value, Codec.JSON)


async def test_each_question_is_one_call() -> None:
    lines = json({"logs": [{"seq": 1}]})
    page = json({"tasks": [], "next": None})
    shown = json(document())
    dead = json({"deliveries": [{"id": "d"}]})
    answers = (shown, shown, shown, (int(Codec.MSGPACK), b"\x2a"), page, shown, shown, lines, dead, dead)
    wire = Wire(*answers)
    desk = NativeDesk(wire.exchange, wire.stream, 1000)
    assert desk.submit("s.f", {}, Order())["id"] == desk.show(ID)["id"] == desk.wait(ID, 5)["id"] == ID
    assert (desk.result(ID, "s.f"), desk.find(Search())["next"]) == (42, None)
    assert desk.cancel(ID) == desk.retry(ID) == document()
    assert (desk.logs(ID, 0), desk.undelivered()) == ([{"seq": 1}], [{"id": "d"}])
    desk.redeliver("d")
    names = [name.removeprefix("dragoman.tasks.") for name, _ in wire.asked]
    assert names == ["submit", "show", "wait", "result", "find", "cancel", "retry", "logs", "undelivered", "redeliver"]
    assert wire.asked[2] == ("dragoman.tasks.wait", ANSWER_S_MAX + 5)

    later = Wire(*answers)
    awaited = AsyncNativeDesk(later.later, later.items, 1000)
    await awaited.submit("s.f", {}, Order())
    await awaited.show(ID)
    await awaited.wait(ID, 5)
    assert (await awaited.result(ID, "s.f"), (await awaited.find(Search()))["next"]) == (42, None)
    assert await awaited.cancel(ID) == await awaited.retry(ID)
    assert (await awaited.logs(ID, 0), await awaited.undelivered()) == ([{"seq": 1}], [{"id": "d"}])
    await awaited.redeliver("d")
    assert later.asked == wire.asked


async def test_a_result_that_is_not_there_yet_is_no_fault() -> None:
    not_yet, gone = dragoman.Aborted("not over"), dragoman.NotFound("no", function="dragoman.tasks.result")
    wire = Wire(not_yet, not_yet, gone, gone)
    desk, awaited = NativeDesk(wire.exchange, wire.stream, 10), AsyncNativeDesk(wire.later, wire.items, 10)
    assert desk.result(ID, "s.f") is await awaited.result(ID, "s.f") is NOT_YET
    with pytest.raises(dragoman.NotFound) as fault:
        desk.result(ID, "s.f")
    assert fault.value.function == ""
    with pytest.raises(dragoman.NotFound):
        await awaited.result(ID, "s.f")


async def test_a_result_that_is_too_large_is_refused() -> None:
    wire = Wire((int(Codec.BYTES), b"12345"))
    with pytest.raises(dragoman.OutOfRange):
        NativeDesk(wire.exchange, wire.stream, 4).result(ID, "s.f")


async def test_events_are_a_stream() -> None:
    wire = Wire([3, "log", {"seq": 3}], [4, "state", document(seq=4)])
    assert [each.seq for each in NativeDesk(wire.exchange, wire.stream, 10).events(ID, 2)] == [3, 4]
    assert [each.kind async for each in AsyncNativeDesk(wire.later, wire.items, 10).events(ID, 2)] == ["log", "state"]
