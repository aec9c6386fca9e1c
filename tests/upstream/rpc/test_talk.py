from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc.aio
import pytest

from dragoman.core.call import Call
from dragoman.core.fault import Aborted, Unavailable
from dragoman.core.target import Target
from dragoman.upstream.rpc.talk import Answers, Talk
from tests.upstream.rpc.shops import SHOP, message, selling

CALL = Call(Target("it.f", "it", "f", 0, 1.0), b"")


def number(value: int) -> bytes:
    return message("Number")(number=value).SerializeToString()


async def test_closing_tells_once_and_ends_the_call() -> None:
    left: list[int] = []
    async with selling() as shop, grpc.aio.insecure_channel(shop.url.removeprefix("grpc://")) as channel:
        talk = Talk(channel.unary_stream(f"/{SHOP}/Count")(number(-1)), CALL, 9, lambda: left.append(1))
        answers = Answers(talk, bytes)
        reading = asyncio.ensure_future(anext(answers))
        await asyncio.wait((reading,), timeout=0.1)
        reading.cancel()
        await asyncio.wait((reading,))
        await answers.aclose()
        assert left == [1]
        await asyncio.wait_for(shop.gone.wait(), 5)
        with pytest.raises(StopAsyncIteration):
            await anext(answers)


async def test_a_fault_of_what_goes_out_is_the_calls() -> None:
    async def messages() -> AsyncIterator[bytes]:
        yield number(1)
        raise Aborted("the caller left")

    async with selling() as shop, grpc.aio.insecure_channel(shop.url.removeprefix("grpc://")) as channel:
        talk = Talk(channel.stream_unary(f"/{SHOP}/Sum")(), CALL, 9, int)
        talk.feed(messages())
        with pytest.raises(Aborted):
            await talk.answer()
        await talk.aclose()


async def test_a_call_that_cannot_begin_says_so_before_its_first_item() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:9") as channel:
        talk = Talk(channel.unary_stream(f"/{SHOP}/Count")(number(1)), CALL, 9, int)
        with pytest.raises(Unavailable):
            await talk.begun()
        await talk.aclose()
