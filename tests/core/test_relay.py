"""A stream over the wire: as fast as it is granted, and closed whenever nobody wants the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Cancelled, Fault, ResourceExhausted, Unknown
from dragoman.core.relay import Relay


class Source:
    """A stream of a few items that notes when it is closed."""

    def __init__(self, *items: bytes) -> None:
        self.items = list(items)
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._next()

    async def _next(self) -> AsyncIterator[bytes]:
        for item in self.items:
            yield item

    async def aclose(self) -> None:
        self.closed = True


class Reading:
    """A reader with so much credit, which is its own connection."""

    def __init__(self, credit: int = 1000) -> None:
        self.credit = credit
        self.sent: list[bytes] = []
        self.writable = True
        self.reached = asyncio.Event()

    @property
    def connection(self) -> Reading:
        return self

    def credit_of(self, call: int, /) -> int:
        return self.credit

    def item(self, call: int, codec: int, body: bytes, /) -> tuple[bytes, bytes]:
        if len(body) > 100:
            message = "too large"
            raise ValueError(message)
        self.credit -= len(body)
        return b"h", body

    def send(self, *parts: bytes | memoryview) -> None:
        self.sent += map(bytes, parts)
        self.reached.set()


async def ended(relay: Relay, done: asyncio.Future[Fault | None]) -> Fault | None:
    relay.start()
    return await asyncio.wait_for(done, 5)


def relay_of(reader: Reading, source: Source) -> tuple[Relay, asyncio.Future[Fault | None]]:
    done: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()
    reply = Reply(b"", Codec.JSON, source)
    return Relay(reader, 1, reply, lambda fault, _: done.set_result(fault)), done


async def test_all_items_go_and_then_the_end_is_told() -> None:
    reader, source = Reading(), Source(b"1", b"2")
    assert await ended(*relay_of(reader, source)) is None
    assert reader.sent == [b"h", b"1", b"h", b"2"]
    assert source.closed


async def test_an_item_waits_for_credit() -> None:
    reader, source = Reading(credit=1), Source(b"1", b"2")
    relay, done = relay_of(reader, source)
    relay.start()
    await asyncio.wait_for(reader.reached.wait(), 5)
    for _ in range(5):
        await asyncio.sleep(0)
    assert reader.sent == [b"h", b"1"]
    assert not done.done()
    reader.credit = 10
    relay.wake()
    assert await asyncio.wait_for(done, 5) is None
    assert reader.sent[-1] == b"2"


async def test_a_relay_that_is_cancelled_before_its_first_step_closes_the_stream() -> None:
    reader, source = Reading(), Source(b"1")
    relay, done = relay_of(reader, source)
    relay.start()
    relay.cancel()
    assert isinstance(await asyncio.wait_for(done, 5), Cancelled)
    assert source.closed
    assert not reader.sent


async def test_a_stream_whose_clean_up_fails_ends_all_the_same() -> None:
    class Unclean(Source):
        async def aclose(self) -> None:
            raise Unknown("ValueError: clean-up")

    reader = Reading()
    fault = await ended(*relay_of(reader, Unclean(b"1")))
    assert isinstance(fault, Unknown)
    assert reader.sent == [b"h", b"1"]


async def test_an_item_that_cannot_travel_ends_the_stream_with_a_fault() -> None:
    source = Source(bytes(101))
    assert isinstance(await ended(*relay_of(Reading(), source)), ResourceExhausted)
    assert source.closed
