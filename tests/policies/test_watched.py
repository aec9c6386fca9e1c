import asyncio

import pytest

from dragoman.core.fault import Cancelled, Code, Fault, Internal
from dragoman.core.items import batches
from dragoman.policies.watched import WatchedStream
from tests.policies.world import Items


class Batches(Items):
    """A stream that gives all of its items at a time."""

    async def batch(self) -> list[bytes]:
        return [item async for item in self]


def watch(items: Items) -> tuple[WatchedStream, list[Fault | None]]:
    told: list[Fault | None] = []
    return WatchedStream(items, told.append), told


@pytest.mark.parametrize("kind", [Items, Batches])
async def test_the_end_is_told_once(kind: type[Items]) -> None:
    items = kind(3)
    stream, told = watch(items)
    assert [item async for batch in batches(stream) for item in batch] == [b"1"] * 3
    assert told == [None]
    await stream.aclose()
    assert told == [None]
    assert items.closed


@pytest.mark.parametrize("kind", [Items, Batches])
@pytest.mark.parametrize(("raised", "code"), [(Internal("broken"), Code.INTERNAL), (OSError("gone"), Code.UNKNOWN)])
async def test_what_breaks_it_off_is_told(kind: type[Items], raised: Exception, code: Code) -> None:
    items = kind(0)
    items._fault = raised  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue] - any error, for once
    stream, told = watch(items)
    with pytest.raises(type(raised)):
        assert [batch async for batch in batches(stream)]
    await stream.aclose()
    assert [fault.code for fault in told if fault] == [code]


async def test_a_reader_that_closes_it_has_left() -> None:
    items = Items(3)
    stream, told = watch(items)
    assert await anext(stream) == b"1"
    await stream.aclose()
    assert [type(fault) for fault in told] == [Cancelled]
    assert items.closed


async def test_a_read_that_is_given_up_is_no_end() -> None:
    class Slow(Items):
        async def __anext__(self) -> bytes:
            return await asyncio.get_running_loop().create_future()

    stream, told = watch(Slow(1))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0)
    assert told == []
