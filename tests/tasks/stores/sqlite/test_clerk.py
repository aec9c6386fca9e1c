"""A thread does what comes together at once, and the loop is told of it at once."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from dragoman.tasks.state import State
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite.clerk import WAITING_MAX, Clerk, Landing
from dragoman.tasks.task import Change


class Item(NamedTuple):
    future: "asyncio.Future[int]"
    number: int


CHANGE = Change("t", "f", State.PENDING, 1)


class Doubling:
    """A craft that doubles numbers, and cannot open where it is told so."""

    def __init__(self, trouble: str = "") -> None:
        self.trouble = trouble
        self.batches: list[int] = []
        self.closed = False

    def open(self) -> None:
        if self.trouble:
            raise StoreFailed(self.trouble)

    def work(self, items: Sequence[Item]) -> tuple[list[Landing], list[Change]]:
        self.batches.append(len(items))
        if any(number < 0 for _, number in items):
            raise RuntimeError("a mistake")
        return [Landing(future, 2 * number) for future, number in items], [CHANGE]

    def patience_s(self) -> None:
        pass

    def rest(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


async def ask(clerk: Clerk[Item], number: int) -> int:
    future = clerk.future()
    clerk.put(Item(future, number))
    return await future


async def test_what_comes_in_one_turn_of_the_loop_is_done_at_once() -> None:
    craft, heard = Doubling(), list[Change]()
    clerk = Clerk[Item]("test", craft, 64, heard.extend)
    await clerk.open()

    assert await asyncio.gather(*(ask(clerk, number) for number in range(100))) == [2 * n for n in range(100)]

    assert craft.batches == [64, 36]
    assert heard == [CHANGE] * 2
    await clerk.close()
    assert craft.closed


async def test_what_was_asked_for_before_the_end_is_done() -> None:
    clerk = Clerk[Item]("test", Doubling(), 8, lambda _: None)
    await clerk.open()
    asked = [asyncio.ensure_future(ask(clerk, number)) for number in range(20)]
    await asyncio.sleep(0)

    await clerk.close()
    await clerk.close()

    assert [future.result() for future in asked] == [2 * n for n in range(20)]
    with pytest.raises(StoreFailed, match="closed"):
        await ask(clerk, 1)


async def test_it_may_be_opened_again() -> None:
    craft = Doubling()
    clerk = Clerk[Item]("test", craft, 8, lambda _: None)
    for _ in range(2):
        await clerk.open()
        assert await ask(clerk, 4) == 8
        await clerk.close()


async def test_who_gives_up_on_opening_can_close() -> None:
    craft = Doubling()
    clerk = Clerk[Item]("test", craft, 8, lambda _: None)
    opening = asyncio.ensure_future(clerk.open())
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])

    await clerk.close()

    assert craft.closed


async def test_a_mistake_is_told_to_who_waits_and_ends_nothing() -> None:
    clerk = Clerk[Item]("test", Doubling(), 8, lambda _: None)
    await clerk.open()

    with pytest.raises(RuntimeError, match="a mistake"):
        await ask(clerk, -1)

    assert await ask(clerk, 1) == 2
    await clerk.close()


async def test_trouble_in_opening_is_told() -> None:
    clerk = Clerk[Item]("test", Doubling("no such disk"), 8, lambda _: None)

    with pytest.raises(StoreFailed, match="no such disk"):
        await clerk.open()
    await clerk.close()


async def test_more_than_can_wait_is_refused() -> None:
    clerk = Clerk[Item]("test", Doubling(), 8, lambda _: None)
    await clerk.open()
    waiting = [clerk.future() for _ in range(WAITING_MAX)]
    for future in waiting:
        clerk.put(Item(future, 1))

    with pytest.raises(StoreFailed, match="try again later"):
        clerk.future()

    assert await asyncio.gather(*waiting) == [2] * WAITING_MAX
    await clerk.close()
