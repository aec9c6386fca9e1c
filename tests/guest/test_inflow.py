"""Input streams, in a real guest: ordinary and asynchronous functions, credit, bad items and cancels."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.wire.frame import HEADER_BYTES, Flag, Frame, Kind
from dragoman.wire.handshake import Hello, Limits

from .driver import Guest

Serve = Callable[..., Guest]

SYNC = """
    from collections.abc import Iterable, Iterator
    import threading

    def total(values: Iterator[int], scale: int = 1) -> int:
        return sum(values) * scale

    def again(values: Iterable[int]) -> list[int]:
        return list(values) + list(values)

    def doubled(values: Iterator[int]) -> Iterator[int]:
        for value in values:
            yield value * 2

    def first(values: Iterator[int]) -> int:
        return next(values)

    def stubborn(values: Iterator[int]) -> int:
        try:
            return sum(values)
        finally:
            print("cleaned up", flush=True)

    kept = []

    def keep(values: Iterator[int]) -> int:
        kept.append(values)
        return next(values)

    def late() -> str:
        try:
            return str(next(kept[0]))
        except RuntimeError as error:
            return str(error)

    def in_thread(values: Iterator[int]) -> int:
        found = []
        thread = threading.Thread(target=lambda: found.extend(values))
        thread.start()
        thread.join()
        return sum(found)

    def plain(a: int) -> int:
        return a
"""
ASYNC = """
    import asyncio
    from collections.abc import AsyncIterator

    async def total(values: AsyncIterator[int], scale: int = 1) -> int:
        return scale * sum([value async for value in values])

    async def doubled(values: AsyncIterator[int]) -> AsyncIterator[int]:
        async for value in values:
            yield value * 2

    async def first(values: AsyncIterator[int]) -> int:
        return await anext(values)

    async def stubborn(values: AsyncIterator[int]) -> int:
        try:
            return sum([value async for value in values])
        finally:
            print("cleaned up", flush=True)
"""
FEEDING = """
    import itertools
    from dragoman import Context

    def push(ctx: Context) -> int:
        return ctx.call("x.y", values=itertools.count())
"""
ASKING = """
    import threading
    from collections.abc import Iterator
    from dragoman import Context

    def doubled(values: Iterator[int], ctx: Context) -> Iterator[int]:
        over = threading.Event()

        def ask() -> None:
            while not (over.is_set() or ctx.cancelled):
                pass

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            for value in values:
                yield value * 2
        finally:
            over.set()
            thread.join()
"""
MIXED = (
    ASYNC
    + """
    from collections.abc import Iterator

    def blocking(values: Iterator[int]) -> int:
        return sum(values)
"""
)
BOTH = pytest.mark.parametrize("source", [SYNC, ASYNC], ids=["sync", "async"])


def feed(guest: Guest, name: str, input_: Any = None, *, stream: bool = False, ms: int = 0) -> int:
    """Send a CALL whose input stream follows."""
    guest.last += 1
    flags = Flag.INPUT | (Flag.STREAM if stream else 0)
    body = json.dumps(input_ or {}).encode()
    frame = Frame(Kind.CALL, flags, 1, guest.names.index(name), guest.last, ms, b"", body)
    guest.send(guest.connection.flagged_header(frame) + body)
    return guest.last


def give(guest: Guest, call: int, *items: Any) -> None:
    """Send items, as credit allows."""
    for item in items:
        while guest.connection.credit_of(call) <= 0:
            guest.receive(lambda frame: frame.kind == Kind.CREDIT)
        guest.send(guest.connection.item(call, 1, json.dumps(item).encode()))


def value_of(guest: Guest, call: int) -> Any:
    """The answer's value, or the fault as a dictionary."""
    return json.loads(guest.receive(lambda frame: frame.call == call and frame.kind in {Kind.END, Kind.FAULT}).body)


@BOTH
def test_a_function_takes_its_items_as_they_come(serve: Serve, source: str) -> None:
    guest = serve(source)
    call = feed(guest, "total", {"scale": 10})
    give(guest, call, 1, 2, 3)
    guest.send(guest.connection.finish(call))
    assert value_of(guest, call) == 60
    assert value_of(guest, guest.start("total", {"values": [1, 2], "scale": 2})) == 6


@BOTH
def test_each_item_is_answered_before_the_next_is_sent(serve: Serve, source: str) -> None:
    guest = serve(source)
    call = feed(guest, "doubled", stream=True)
    for value in range(50):
        give(guest, call, value)
        assert json.loads(guest.receive(lambda frame: frame.kind == Kind.ITEM).body) == value * 2
    guest.send(guest.connection.finish(call))
    assert guest.receive(lambda frame: frame.kind == Kind.END).body == b""


@BOTH
def test_more_than_the_credit_comes_through_in_time(serve: Serve, source: str) -> None:
    guest = serve(source, hello=Hello("test/0", limits=Limits(credit_bytes=500)))
    call = feed(guest, "total")
    give(guest, call, *range(2000))
    guest.send(guest.connection.finish(call))
    assert value_of(guest, call) == sum(range(2000))


@BOTH
def test_an_answer_may_come_before_the_input_ends(serve: Serve, source: str) -> None:
    guest = serve(source)
    call = feed(guest, "first")
    give(guest, call, 7, 8)
    assert value_of(guest, call) == 7
    call = feed(guest, "first")
    give(guest, call, 9)
    assert value_of(guest, call) == 9


@BOTH
def test_an_item_that_breaks_the_contract_is_named_by_its_place(serve: Serve, source: str) -> None:
    guest = serve(source)
    call = feed(guest, "total")
    give(guest, call, 1, 2, "three")
    fault = value_of(guest, call)
    assert (fault["code"], fault["started"]) == ("INVALID_ARGUMENT", "yes")
    assert [error["path"] for error in fault["errors"]] == ["/values/2"]


@BOTH
def test_a_body_that_has_the_property_all_the_same_is_refused(serve: Serve, source: str) -> None:
    guest = serve(source)
    fault = value_of(guest, feed(guest, "total", {"values": [1]}))
    assert (fault["code"], fault["errors"][0]["path"]) == ("INVALID_ARGUMENT", "/values")


@BOTH
def test_a_cancel_ends_the_wait_for_items(serve: Serve, source: str) -> None:
    guest = serve(source)
    call = feed(guest, "stubborn")
    give(guest, call, 1)
    guest.send(guest.connection.cancel(call))
    assert value_of(guest, call)["code"] == "CANCELLED"
    call = feed(guest, "total")
    give(guest, call, 5)
    guest.send(guest.connection.finish(call))
    assert value_of(guest, call) == 5


@BOTH
def test_a_deadline_ends_the_wait_for_items(serve: Serve, source: str) -> None:
    guest = serve(source)
    call = feed(guest, "stubborn", ms=100)
    give(guest, call, 1)
    assert value_of(guest, call)["code"] == "DEADLINE_EXCEEDED"
    call = feed(guest, "total")
    give(guest, call, 5)
    guest.send(guest.connection.finish(call))
    assert value_of(guest, call) == 5


@pytest.mark.parametrize(("ms", "code"), [(0, "CANCELLED"), (100, "DEADLINE_EXCEEDED")])
def test_a_function_that_feeds_another_ends_though_that_one_takes_no_more(serve: Serve, ms: int, code: str) -> None:
    credit = 100
    guest = serve(FEEDING, hello=Hello("test/0", features=("input",), limits=Limits(credit_bytes=credit)))
    call = guest.start("push", ms=ms)
    nested = guest.nested()
    while credit > 0:
        credit -= HEADER_BYTES + len(guest.receive(lambda frame: frame.kind == Kind.ITEM).body)
    if not ms:
        guest.cancel(call)
    assert value_of(guest, call)["code"] == code
    assert guest.receive(lambda frame: frame.call == nested.call and frame.kind == Kind.CANCEL)


def test_a_thread_that_asks_for_a_cancel_does_not_take_the_waiting_function_s_items_away(serve: Serve) -> None:
    guest = serve(ASKING)
    call = feed(guest, "doubled", stream=True)
    for value in range(200):
        give(guest, call, value)
        assert guest.item(call) == value * 2
    guest.send(guest.connection.finish(call))
    assert guest.receive(lambda frame: frame.kind == Kind.END).body == b""


@BOTH
def test_a_corrupt_item_ends_the_call_as_data_loss(serve: Serve, source: str) -> None:
    guest = serve(source)
    call = feed(guest, "stubborn")
    give(guest, call, 1)
    good = bytes.fromhex("0100000001040101000000000000000001000000000000000000000000000000") + b"3"
    guest.send(good[:16] + call.to_bytes(8, "little") + good[24:])
    assert value_of(guest, call)["code"] == "DATA_LOSS"


def test_an_iterable_is_a_list_where_all_of_it_came(serve: Serve) -> None:
    guest = serve(SYNC)
    assert value_of(guest, guest.start("again", {"values": [1, 2]})) == [1, 2, 1, 2]
    call = feed(guest, "again")
    give(guest, call, 1, 2)
    guest.send(guest.connection.finish(call))
    assert value_of(guest, call) == [1, 2]


def test_a_function_without_an_input_stream_says_so(serve: Serve) -> None:
    guest = serve(SYNC)
    fault = value_of(guest, feed(guest, "plain", {"a": 1}))
    assert (fault["code"], fault["started"]) == ("UNIMPLEMENTED", "no")


def test_an_iterator_that_outlives_its_call_says_so(serve: Serve) -> None:
    guest = serve(SYNC)
    call = feed(guest, "keep")
    give(guest, call, 1, 2)
    assert value_of(guest, call) == 1
    assert "the call is over" in value_of(guest, guest.start("late"))


def test_a_thread_of_the_function_s_own_may_take_the_items(serve: Serve) -> None:
    guest = serve(SYNC)
    call = feed(guest, "in_thread")
    give(guest, call, *range(100))
    guest.send(guest.connection.finish(call))
    assert value_of(guest, call) == sum(range(100))


def test_calls_behind_a_stream_wait_their_turn_with_their_items(serve: Serve) -> None:
    guest = serve(SYNC)
    first, second = feed(guest, "total"), feed(guest, "total")
    give(guest, second, 10)
    guest.send(guest.connection.finish(second))
    give(guest, first, 1)
    guest.send(guest.connection.finish(first))
    assert (value_of(guest, first), value_of(guest, second)) == (1, 10)


def test_a_call_taken_back_before_it_began_leaves_nothing(serve: Serve) -> None:
    guest = serve(SYNC)
    first, second = feed(guest, "total"), feed(guest, "total")
    give(guest, second, 10)
    guest.send(guest.connection.cancel(second))
    assert value_of(guest, second)["code"] == "CANCELLED"
    guest.send(guest.connection.finish(first))
    assert value_of(guest, first) == 0


def test_ordinary_functions_beside_asynchronous_ones_take_items_too(serve: Serve) -> None:
    guest = serve(MIXED)
    blocking, streaming = feed(guest, "blocking"), feed(guest, "total")
    give(guest, blocking, *range(100))
    guest.send(guest.connection.finish(blocking))
    assert value_of(guest, blocking) == sum(range(100))
    give(guest, streaming, 4)
    guest.send(guest.connection.finish(streaming))
    assert value_of(guest, streaming) == 4
    blocking = feed(guest, "blocking")
    guest.send(guest.connection.cancel(blocking))
    assert value_of(guest, blocking)["code"] == "CANCELLED"


@BOTH
def test_a_ping_is_answered_while_a_function_waits_for_items(serve: Serve, source: str) -> None:
    guest = serve(source)
    call = feed(guest, "total")
    guest.send(guest.connection.ping(b"x"))
    assert guest.receive(lambda frame: frame.kind == Kind.PONG).body == b"x"
    guest.send(guest.connection.finish(call))
    assert value_of(guest, call) == 0
