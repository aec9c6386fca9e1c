"""Input streams through real workers: large ones both ways, cancels at every moment, deaths, and bounded memory."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import dragoman
from dragoman.core.fault import DeadlineExceeded, Fault, InvalidArgument, WorkerLost
from tests.integration.conftest import Write, host_of, pool_of, soon

SOURCE = """
    import os, time
    from collections.abc import Iterator
    from dragoman import Context, function

    def total(values: Iterator[int], scale: int = 1) -> int:
        return sum(values) * scale

    def doubled(values: Iterator[int]) -> Iterator[int]:
        for value in values:
            yield value * 2

    def first(values: Iterator[int]) -> int:
        return next(values)

    def sizes(parts: Iterator[str]) -> int:
        return sum(map(len, parts))

    def slow(parts: Iterator[str]) -> int:
        next(parts)
        time.sleep(30)
        return 0

    def dies(values: Iterator[int]) -> int:
        for value in values:
            if value == 3:
                os.kill(os.getpid(), 9)
        return 0

    def pid(values: Iterator[int]) -> Iterator[int]:
        yield os.getpid()
        for value in values:
            yield value

    def plain(a: int) -> int:
        return a

    def relay(count: int, ctx: Context) -> int:
        return ctx.call("m.total", values=iter(range(count)))

    def asks(ctx: Context) -> list[str]:
        return [ctx.call_id, *ctx.call("m.told")]

    def told(ctx: Context) -> list[str]:
        return [ctx.call_id]
"""
ASYNC = """
    from collections.abc import AsyncIterator
    from dragoman import Context

    async def total(values: AsyncIterator[int]) -> int:
        return sum([value async for value in values])

    async def doubled(values: AsyncIterator[int]) -> AsyncIterator[int]:
        async for value in values:
            yield value * 2

    async def relay(count: int, ctx: Context) -> int:
        async def made():
            for value in range(count):
                yield value
        return await ctx.call("a.total", values=made())
"""
TOML = """
    [sources.m]
    path = "m.py"
    workers = { min = 1, max = 2 }
    [sources.a]
    path = "a.py"
    [sources.i]
    path = "a.py"
    mode = "inline"
"""


@pytest.fixture
async def project(write: Write) -> AsyncIterator[Any]:
    folder = write(m__py=SOURCE, a__py=ASYNC, dragoman__toml=TOML)
    async with dragoman.open(folder) as opened:
        yield opened


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@pytest.mark.parametrize("source", ["m", "a", "i"])
async def test_large_streams_flow_both_ways(project: Any, source: str) -> None:
    assert await project.call(f"{source}.total", {"values": numbers(20_000)}) == sum(range(20_000))
    items = [item async for item in project.stream(f"{source}.doubled", {"values": numbers(20_000)})]
    assert items == [number * 2 for number in range(20_000)]
    assert await project.call(f"{source}.total", {"values": [1, 2, 3]}) == 6


async def test_each_item_may_wait_for_the_answer_to_the_last(project: Any) -> None:
    asked: asyncio.Queue[int] = asyncio.Queue()

    async def made() -> AsyncIterator[int]:
        while (number := await asked.get()) >= 0:
            yield number

    replies = project.stream("m.doubled", {"values": made()})
    for number in range(20):
        asked.put_nowait(number)
        assert await anext(replies) == number * 2
    asked.put_nowait(-1)
    with pytest.raises(StopAsyncIteration):
        await anext(replies)


async def test_an_endless_input_ends_with_the_answer(project: Any) -> None:
    closed: list[bool] = []

    async def endless() -> AsyncIterator[int]:
        try:
            for number in itertools.count(7):
                yield number
        finally:
            closed.append(True)

    assert await project.call("m.first", {"values": endless()}) == 7
    await soon(lambda: closed)
    assert await project.call("m.total", {"values": iter([1, 2])}) == 3


async def test_a_slow_reader_holds_its_caller_back(project: Any) -> None:
    taken = 0

    async def parts() -> AsyncIterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "x" * 10_000

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DeadlineExceeded):
        await project.call("m.slow", {"parts": parts()}, timeout=0.5)
    assert taken < 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@pytest.mark.parametrize("after", [0, 1, 50])
async def test_a_caller_that_leaves_ends_the_call_wherever_it_is(project: Any, after: int) -> None:
    sent = asyncio.Event()

    async def made() -> AsyncIterator[int]:
        for number in range(after):
            yield number
        sent.set()
        await asyncio.Event().wait()

    calling = asyncio.ensure_future(project.call("m.total", {"values": made()}))
    await sent.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    pool = pool_of(host_of(project), "m")
    await soon(lambda: pool.idle)
    assert not any(worker.feeders for worker in pool.workers)
    assert await project.call("m.total", {"values": iter([4])}) == 4


async def test_a_stream_closed_early_ends_its_input(project: Any) -> None:
    replies = project.stream("m.doubled", {"values": itertools.count()})
    assert await anext(replies) == 0
    await replies.aclose()
    pool = pool_of(host_of(project), "m")
    await soon(lambda: pool.idle)
    assert await project.call("m.total", {"values": [1]}) == 1


async def test_a_worker_that_dies_in_mid_input_is_reported_and_replaced(project: Any) -> None:
    with pytest.raises(WorkerLost, match="died in mid-call"):
        await project.call("m.dies", {"values": itertools.count()})
    replies = project.stream("m.pid", {"values": itertools.count()})
    os.kill(await anext(replies), signal.SIGKILL)
    with pytest.raises(WorkerLost):
        async for _ in replies:
            pass
    assert await project.call("m.total", {"values": iter([4])}) == 4


async def test_what_goes_wrong_with_items_is_told(project: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await project.call("m.total", {"values": iter([1, "two"])})
    assert [breach.path for breach in caught.value.errors] == ["/values/1"]

    def broken() -> Iterator[int]:
        yield 1
        message = "my own"
        raise LookupError(message)

    with pytest.raises(LookupError, match="my own"):
        await project.call("m.total", {"values": broken()})
    with pytest.raises(InvalidArgument, match="cannot be sent"):
        await project.call("m.total", {"values": iter([object()])})
    assert await project.call("m.total", {"values": iter([4])}) == 4


async def test_an_iterator_for_what_is_no_stream_is_refused(project: Any) -> None:
    with pytest.raises(Fault):
        await project.call("m.plain", {"a": iter([1])})


async def test_functions_send_streams_to_functions(project: Any) -> None:
    assert await project.call("m.relay", {"count": 5000}) == sum(range(5000))
    assert await project.call("a.relay", {"count": 5000}) == sum(range(5000))


async def test_a_chain_of_calls_has_one_id(project: Any) -> None:
    first, second = await project.call("m.asks", {})
    assert first == second


def test_blocking_callers_give_iterators_too(write: Write) -> None:
    with dragoman.open(write(m__py=SOURCE) / "m.py") as project:
        assert project.call("m.total", {"values": iter(range(1000)), "scale": 2}) == 2 * sum(range(1000))
        assert list(project.stream("m.doubled", {"values": iter(range(1000))})) == [2 * n for n in range(1000)]
        assert project.call("m.first", {"values": itertools.count(3)}) == 3
        assert project.call("m.total", {"values": [1, 2]}) == 3
