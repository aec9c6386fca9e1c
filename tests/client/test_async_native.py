"""Calls that are awaited, of a real host in the wire's own frames."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from dragoman.client.connecting import connect
from dragoman.core.fault import DeadlineExceeded, Draining, InvalidArgument, NotFound, Unimplemented, Unknown

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
