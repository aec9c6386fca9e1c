import asyncio
from collections.abc import AsyncIterator

import pytest

from dragoman.core.call import Call, Reply
from dragoman.core.fault import Overloaded, Started
from dragoman.policies.bulkhead import bulkhead
from tests.policies.calls import make_call


class Gate:
    """A service whose calls end when the test says so."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.open = asyncio.Event()

    async def __call__(self, call: Call) -> Reply:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.open.wait()
        finally:
            self.inside -= 1
        return Reply(b"1")


async def begun(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_calls_past_concurrency_wait_and_past_the_queue_are_refused_at_once() -> None:
    gate = Gate()
    service = bulkhead(2, 3)(gate)
    calls = [asyncio.ensure_future(service(make_call())) for _ in range(5)]
    await begun()
    with pytest.raises(Overloaded) as refused:
        await service(make_call())
    assert refused.value.started is Started.NO
    assert refused.value.retry_after_s
    assert gate.inside == 2
    gate.open.set()
    assert [(await call).body for call in calls] == [b"1"] * 5
    assert gate.most == 2


async def test_a_waiting_call_that_gives_up_leaves_its_place() -> None:
    gate = Gate()
    service = bulkhead(1, 1)(gate)
    running = asyncio.ensure_future(service(make_call()))
    await begun()
    waiting = asyncio.ensure_future(service(make_call()))
    await begun()
    waiting.cancel()
    await begun()
    another = asyncio.ensure_future(service(make_call()))
    gate.open.set()
    assert (await running).body == (await another).body == b"1"


async def test_a_turn_that_comes_as_its_call_gives_up_is_passed_on() -> None:
    gate = Gate()
    service = bulkhead(1, 2)(gate)
    running, waiting, last = (asyncio.ensure_future(service(make_call())) for _ in range(3))
    await begun()
    gate.open.set()
    running.add_done_callback(lambda _: waiting.cancel())
    assert (await last).body == b"1"


async def test_a_failed_call_gives_its_place_up() -> None:
    async def fail(call: Call) -> Reply:
        raise ValueError("no")

    service = bulkhead(1, 0)(fail)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            await service(make_call())


class Items:
    def __init__(self, count: int) -> None:
        self._left = count
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return b"i"

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("end", ["read", "closed"])
async def test_a_stream_holds_its_place_until_it_ends_or_is_closed(end: str) -> None:
    items = Items(2)

    async def serve(call: Call) -> Reply:
        return Reply(b"", items=items)

    service = bulkhead(1, 0)(serve)
    stream = (await service(make_call())).items
    assert stream is not None
    with pytest.raises(Overloaded):
        await service(make_call())
    if end == "read":
        assert [item async for item in stream] == [b"i", b"i"]
    await stream.aclose()
    assert items.closed
    again = (await service(make_call())).items
    assert again is not None
