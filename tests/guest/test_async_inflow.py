"""Input streams of asynchronous functions, where the rules of all functions do not reach."""

from __future__ import annotations

from collections.abc import Callable

from dragoman.wire.handshake import Hello

from .driver import Guest
from .test_inflow import feed, give, value_of

SOURCE = """
    import asyncio
    from collections.abc import AsyncIterable, AsyncIterator

    async def total(values: AsyncIterable[int]) -> int:
        return sum([value async for value in values])

    async def patient(values: AsyncIterator[int]) -> int:
        while True:
            try:
                return await asyncio.wait_for(anext(values), 0.001)
            except TimeoutError:
                continue
"""
Serve = Callable[..., Guest]


def test_many_streams_flow_at_once(serve: Serve) -> None:
    guest = serve(SOURCE, hello=Hello("test/0", concurrency=4))
    calls = [feed(guest, "total") for _ in range(4)]
    for value in range(100):
        for call in calls:
            give(guest, call, value)
    for call in reversed(calls):
        guest.send(guest.connection.finish(call))
    assert [value_of(guest, call) for call in calls] == [sum(range(100))] * 4


def test_a_wait_that_was_given_up_loses_no_item(serve: Serve) -> None:
    guest = serve(SOURCE)
    call = feed(guest, "patient")
    assert guest.pong() == b"hello"
    give(guest, call, 5)
    assert value_of(guest, call) == 5
