"""Calls that are awaited, of a real host in the wire's own frames."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from dragoman.client.connecting import connect
from dragoman.core.fault import (
    DeadlineExceeded,
    Draining,
    InvalidArgument,
    NotFound,
    Unavailable,
    Unimplemented,
    Unknown,
)

from .native_host import native_host


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with native_host(tmp_path_factory.mktemp("native")) as host:
        yield host.url


async def test_functions_are_called_and_faults_typed(url: str) -> None:
    async with connect(url) as remote:
        assert await remote.fn.add(a=1, b=2) == 3
        assert await remote.call("fn.echo", b"\xff") == b"\xff"
        with pytest.raises(Unknown, match="ValueError"):
            await remote.fn.boom()
        with pytest.raises(InvalidArgument):
            await remote.fn.add(a="x", b=1)
        with pytest.raises(NotFound):
            await remote.fn.nothing()
        assert "fn.add" in await remote.functions


async def test_many_calls_share_the_connection_and_no_answer_is_mixed_up(url: str) -> None:
    async with connect(url) as remote:

        async def work(number: int) -> None:
            for step in range(10):
                assert await remote.fn.add(a=number * 100, b=step) == number * 100 + step

        await asyncio.gather(*(work(number) for number in range(64)))


async def test_streams_are_iterated_and_given_up(url: str) -> None:
    async with connect(url) as remote:
        assert [item async for item in remote.stream("fn.count", {"n": 3})] == [0, 1, 2]
        assert sum([len(item) async for item in remote.stream("fn.blocks", {"n": 50, "size": 100_000})]) == 5_000_000
        async with aclosing(remote.stream("fn.count", {"n": 10**9})) as items:
            assert await anext(items) == 0
        assert await remote.fn.add(a=1, b=2) == 3
        with pytest.raises(Unimplemented):
            await anext(remote.stream("fn.add", {"a": 1, "b": 2}))


async def test_iterators_of_both_kinds_are_sent_item_by_item(url: str) -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(3000):
            yield number

    async with connect(url) as remote:
        assert await remote.fn.total(numbers=numbers()) == sum(range(3000))
        assert await remote.fn.total(numbers=iter(range(3000))) == sum(range(3000))
        assert [each async for each in remote.stream("fn.doubled", {"numbers": numbers()})] == list(range(0, 6000, 2))
        assert await remote.fn.first(numbers=numbers()) == 0

        async def breaks() -> AsyncIterator[int]:
            yield 1
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await remote.fn.total(numbers=breaks())
        assert await remote.fn.add(a=1, b=2) == 3


class Endless:
    """Numbers to await, without an end. `closed` is set when nobody asks for more."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def numbers(self, until: int = 10**9) -> AsyncIterator[int]:
        try:
            for number in range(until):
                yield number
            await asyncio.Event().wait()
        finally:
            self.closed.set()


async def test_a_stream_in_the_middle_is_given_up_or_fails_or_runs_out_of_time(url: str) -> None:
    async with connect(url) as remote, asyncio.timeout(60):
        fed = [Endless() for _ in range(6)]
        async with aclosing(remote.stream("fn.doubled", {"numbers": fed[0].numbers()})) as items:
            assert [await anext(items) for _ in range(3)] == [0, 2, 4]
        with pytest.raises(Unknown, match="that one"):
            [_ async for _ in remote.stream("fn.breaks_at", {"numbers": fed[1].numbers(), "n": 1000})]
        with pytest.raises(DeadlineExceeded):
            await remote.call("fn.total", {"numbers": fed[2].numbers(10)}, timeout=0.3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await remote.fn.total(numbers=fed[3].numbers(10))
        assert await remote.fn.first(numbers=fed[4].numbers(10)) == 0
        with pytest.raises(Unavailable):
            await remote.fn.exits_at(numbers=fed[5].numbers(), n=5000)
        for each in fed:
            await each.closed.wait()
        assert await remote.call("fn.add", {"a": 1, "b": 2}, timeout=20) == 3


async def test_both_ways_flow_at_once_item_by_item(url: str) -> None:
    turns: asyncio.Queue[int] = asyncio.Queue()

    async def numbers() -> AsyncIterator[int]:
        while (number := await turns.get()) >= 0:
            yield number

    async with connect(url) as remote, aclosing(remote.stream("fn.fed", {"numbers": numbers()})) as items:
        assert await anext(items) == 0
        for number in range(50):
            turns.put_nowait(number)
            assert await anext(items) == number
        turns.put_nowait(-1)
        assert [item async for item in items] == []


async def test_an_iterator_that_ends_its_own_task_breaks_its_call_off(url: str) -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        raise asyncio.CancelledError

    async with connect(url) as remote:
        with pytest.raises(InvalidArgument, match="broke off"):
            await remote.call("fn.total", {"numbers": numbers()}, timeout=20)


async def test_a_stream_that_is_dropped_is_given_up(url: str) -> None:
    async with connect(url) as remote, asyncio.timeout(30):
        fed = [Endless() for _ in range(20)]
        for each in fed:
            items = remote.stream("fn.doubled", {"numbers": each.numbers()})
            assert await anext(items) == 0
            del items
        gc.collect()
        for each in fed:
            await each.closed.wait()
        assert await remote.fn.add(a=1, b=2) == 3


async def test_a_cancelled_wait_cancels_the_call(url: str) -> None:
    async with connect(url) as remote:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await remote.fn.nap(seconds=30)
        with pytest.raises(DeadlineExceeded):
            await remote.call("fn.nap", {"seconds": 30}, timeout=0.2)
        assert await remote.call("fn.add", {"a": 1, "b": 2}, timeout=10) == 3


async def test_what_is_closed_says_so(url: str) -> None:
    made: Any = connect(url)
    async with made as remote:
        waiting = asyncio.ensure_future(remote.fn.nap(seconds=30))
        await remote.fn.add(a=1, b=2)
    with pytest.raises(Exception, match="this side closed it"):
        await waiting
    with pytest.raises(Draining):
        await remote.fn.add(a=1, b=2)
