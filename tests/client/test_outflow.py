"""Iterators as input streams: in a thread or on the loop, and ended with the call."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from dragoman.client.outflow import AHEAD_MAX, Outflow, take_stream
from dragoman.contract.codec import decode
from dragoman.core.fault import InvalidArgument


async def values_of(outflow: Outflow) -> list[object]:
    return [decode(body, codec) async for codec, body in outflow]


def test_only_an_iterator_for_the_right_property_is_a_stream() -> None:
    items = iter([1])
    assert take_stream({"a": items, "b": 2}, "a") == ({"b": 2}, items)
    for value, name in (({"a": [1]}, "a"), ({"a": items}, ""), ({"b": items}, "a"), ([1], "a"), (None, "a")):
        assert take_stream(value, name) == (value, None)


async def test_an_ordinary_iterator_runs_in_a_thread() -> None:
    threads: set[int] = set()

    def made() -> Iterator[int]:
        for number in range(1000):
            threads.add(threading.get_ident())
            yield number

    assert await values_of(Outflow(made())) == list(range(1000))
    assert threading.get_ident() not in threads


async def test_an_asynchronous_one_runs_on_the_loop() -> None:
    async def made() -> AsyncIterator[object]:
        yield None
        yield 2**70

    assert await values_of(Outflow(made())) == [None, 2**70]


async def test_an_iterator_is_only_a_little_ahead() -> None:
    taken: list[int] = []
    ahead, closed = threading.Event(), threading.Event()

    def made() -> Iterator[int]:
        try:
            for number in itertools.count():
                taken.append(number)
                if number == AHEAD_MAX:
                    ahead.set()
                yield number
        finally:
            closed.set()

    outflow = Outflow(made())
    iterator = aiter(outflow)
    await anext(iterator)
    assert await asyncio.to_thread(ahead.wait, 10)
    outflow.close()
    assert await asyncio.to_thread(closed.wait, 10)
    assert len(taken) == AHEAD_MAX + 1


async def test_closing_ends_the_iterator_in_its_thread() -> None:
    closed = threading.Event()

    def made() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            closed.set()

    with Outflow(made()) as outflow:
        await anext(aiter(outflow))
    assert await asyncio.to_thread(closed.wait, 10)


async def test_what_the_iterator_raises_is_what_its_caller_sees() -> None:
    def made() -> Iterator[int]:
        yield 1
        raise LookupError

    with pytest.raises(LookupError), Outflow(made()) as outflow:
        await values_of(outflow)


async def test_an_item_that_cannot_travel_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="cannot be sent"), Outflow(iter([object()])) as outflow:
        await values_of(outflow)
