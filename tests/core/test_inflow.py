import asyncio

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import Cancelled
from dragoman.core.inflow import InputStream


async def test_items_come_in_order_and_each_grants_its_size() -> None:
    granted: list[int] = []
    stream = InputStream(granted.append)
    stream.push(1, b"a")
    stream.push(2, b"bcd")
    stream.end()
    assert [item async for item in stream] == [(Codec.JSON, b"a"), (Codec.MSGPACK, b"bcd")]
    assert granted == [1, 3]


async def test_a_reader_waits_for_what_is_to_come() -> None:
    stream = InputStream(lambda _: None)
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    stream.push(1, b"late")
    assert await reading == (Codec.JSON, b"late")


async def test_a_caller_that_is_gone_ends_it_as_a_failure() -> None:
    stream = InputStream(lambda _: None)
    stream.push(1, b"last")
    stream.end(Cancelled("gone"))
    stream.end()
    assert await anext(stream) == (Codec.JSON, b"last")
    with pytest.raises(Cancelled):
        await anext(stream)
