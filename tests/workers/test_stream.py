import asyncio

import pytest

from dragoman.core.fault import Internal
from dragoman.wire.frame import HEADER_BYTES
from dragoman.workers.stream import ReplyStream


class Reader:
    """A stream, and what it asked of its worker."""

    def __init__(self) -> None:
        self.granted: list[int] = []
        self.cancelled = 0
        self.stream = ReplyStream(self.granted.append, self._cancel)

    def _cancel(self) -> None:
        self.cancelled += 1


async def test_items_come_in_order_and_each_grants_its_size() -> None:
    reader = Reader()
    for item in (b"a", b"bcd"):
        reader.stream.push(item)
    assert [await anext(reader.stream), await anext(reader.stream)] == [b"a", b"bcd"]
    assert reader.granted == [1, 3]


async def test_a_batch_grants_what_its_items_cost_on_the_wire() -> None:
    reader = Reader()
    for item in (b"a", b"bcd", b""):
        reader.stream.push(item)
    assert await reader.stream.batch() == [b"a", b"bcd", b""]
    assert reader.granted == [4 + 2 * HEADER_BYTES]


async def test_a_reader_waits_for_what_is_to_come() -> None:
    reader = Reader()
    reading = asyncio.ensure_future(reader.stream.batch())
    await asyncio.sleep(0)
    reader.stream.push(b"late")
    assert await reading == [b"late"]


@pytest.mark.parametrize("way", ["batch", "item"])
async def test_buffered_items_come_before_the_end(way: str) -> None:
    reader = Reader()
    reader.stream.push(b"last")
    reader.stream.end()
    items = await reader.stream.batch() if way == "batch" else [item async for item in reader.stream]
    assert items == [b"last"]
    assert await reader.stream.batch() == []
    assert reader.granted == []


async def test_a_failure_comes_where_it_happened() -> None:
    reader = Reader()
    reader.stream.push(b"good")
    reader.stream.end(Internal("bad"))
    reader.stream.end()
    assert await anext(reader.stream) == b"good"
    with pytest.raises(Internal):
        await anext(reader.stream)
    with pytest.raises(Internal):
        await reader.stream.batch()


async def test_closing_early_cancels_drops_what_is_buffered_and_ends_a_waiting_reader() -> None:
    reader = Reader()
    reading = asyncio.ensure_future(reader.stream.batch())
    await asyncio.sleep(0)
    await reader.stream.aclose()
    reader.stream.push(b"too late")
    assert await reading == []
    assert [item async for item in reader.stream] == []
    assert reader.cancelled == 1


async def test_closing_after_the_end_asks_nothing() -> None:
    reader = Reader()
    reader.stream.end()
    await reader.stream.aclose()
    assert reader.cancelled == 0
