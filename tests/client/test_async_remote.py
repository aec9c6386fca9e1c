import asyncio
import json
import time

import pytest

import dragoman
from dragoman.core.fault import Started
from tests.client.scripted import HELD, chunked, response, scripted

FUNCTION = response(200, "application/json", json.dumps({"name": "s.f", "timeout_s": 30}).encode())


async def test_calls_and_streams_are_awaited(shop_url: str) -> None:
    async with dragoman.connect(shop_url) as remote:
        assert await remote.shop.add(a=1, b=2) == 3
        assert await remote.call("shop.echo", {"data": b"\xff"}) == b"\xff"
        assert [item async for item in remote.stream("shop.count", {"up_to": 3})] == [0, 1, 2]
        assert (await remote.functions)["shop.count"].streaming
        assert await asyncio.gather(*(remote.shop.double(number=n) for n in range(40))) == [2 * n for n in range(40)]
    with pytest.raises(dragoman.Unavailable, match="closed"):
        await remote.shop.add(a=1)


async def test_faults_are_the_same_as_of_the_blocking_face(shop_url: str) -> None:
    async with dragoman.connect(shop_url) as remote:
        with pytest.raises(dragoman.InvalidArgument) as fault:
            await remote.shop.add(a="x")
        assert fault.value.remote
        with pytest.raises(dragoman.NotFound):
            await remote.shop.nothing()
        with pytest.raises(dragoman.FailedPrecondition):
            _ = [item async for item in remote.stream("shop.count", {"up_to": 3, "fail_at": 1})]
        with pytest.raises(dragoman.Unimplemented):
            _ = [item async for item in remote.stream("shop.add", {"a": 1})]


async def test_breaking_off_a_stream_ends_it(shop_url: str) -> None:
    async with dragoman.connect(shop_url) as remote:
        stream = remote.stream("shop.forever")
        assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
        await stream.aclose()
        assert await remote.shop.double(number=2) == 4


async def test_a_call_that_is_cancelled_hangs_up() -> None:
    with scripted(FUNCTION, HELD) as script:
        async with dragoman.connect(script.url) as remote:
            calling = asyncio.ensure_future(remote.s.f())
            assert await asyncio.to_thread(script.holding.wait, 10)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            assert await asyncio.to_thread(script.closed.wait, 10)


async def test_an_answer_that_trickles_does_not_outlast_the_timeout() -> None:
    slow = chunked("application/json", *([b"1"] * 10), whole=False) + HELD
    with scripted(FUNCTION, slow) as script:
        async with dragoman.connect(script.url) as remote:
            begun = time.monotonic()
            with pytest.raises(dragoman.DeadlineExceeded) as fault:
                await remote.call("s.f", timeout=0.2)
            assert time.monotonic() - begun < 5
            assert fault.value.started is Started.UNKNOWN


async def test_a_host_that_is_not_there_has_run_nothing() -> None:
    async with dragoman.connect("http://127.0.0.1:1") as remote:
        with pytest.raises(dragoman.Unavailable) as fault:
            await remote.s.f()
        assert fault.value.started is Started.NO
