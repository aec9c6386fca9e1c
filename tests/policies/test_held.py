import pytest

from dragoman.core.fault import WorkerLost
from dragoman.policies.held import HeldStream
from tests.policies.crowd import Items


class Batches(Items):
    async def batch(self) -> list[bytes]:
        taken = [b"i"] * self.left
        self.left = 0
        if not taken and self._fault is not None:
            raise self._fault
        return taken


@pytest.mark.parametrize("kind", [Items, Batches])
async def test_what_is_held_is_let_go_once_at_the_end(kind: type[Items]) -> None:
    ended: list[int] = []
    stream = HeldStream(kind(2), lambda: ended.append(1))
    items: list[bytes] = []
    while batch := await stream.batch():
        items += batch
        assert not ended
    assert (items, ended) == ([b"i", b"i"], [1])
    await stream.aclose()
    assert ended == [1]


@pytest.mark.parametrize("kind", [Items, Batches])
async def test_a_fault_ends_it_too(kind: type[Items]) -> None:
    ended: list[int] = []
    stream = HeldStream(kind(0, WorkerLost("gone")), lambda: ended.append(1))
    with pytest.raises(WorkerLost):
        await stream.batch()
    assert ended == [1]


async def test_closing_it_closes_what_is_behind_it() -> None:
    items, ended = Items(), list[int]()
    stream = HeldStream(items, lambda: ended.append(1))
    assert await anext(stream) == b"i"
    await stream.aclose()
    assert items.closed
    assert ended == [1]
    assert [item async for item in HeldStream(Items(3), lambda: ended.append(2))] == [b"i"] * 3
    assert ended == [1, 2]
