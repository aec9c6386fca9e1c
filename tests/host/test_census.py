"""A scrape is told what is in the store, soon, and not more often than it changes much."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.core.fault import Unavailable
from dragoman.host import census
from dragoman.host.census import FRESH_S, HostCensus, standing
from dragoman.telemetry.task_meter import Census, Standing
from dragoman.testing.clock import ManualClock

COUNTED = {"a.b": {"states": {"PENDING": 2}, "oldest": "2026-01-01T00:00:00.000Z"}}


class Counting:
    """Tasks of a host that count themselves when they are let."""

    def __init__(self) -> None:
        self.present = True
        self.tasks = self
        self.asked = 0
        self.fault: Unavailable | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def census(self) -> dict[str, Any]:
        self.asked += 1
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return COUNTED


@pytest.fixture
def counting() -> Counting:
    return Counting()


def asks(counting: Counting, clock: ManualClock) -> HostCensus:
    return HostCensus(counting, clock)


async def test_what_is_there_is_told(counting: Counting) -> None:
    clock = ManualClock()
    clock.advance(7.0)
    assert await asks(counting, clock)() == Census(up=True, standings=[Standing("a.b", {"PENDING": 2}, 7.0)])


async def test_where_there_is_no_store_nothing_is_asked(counting: Counting) -> None:
    counting.present = False
    assert await asks(counting, ManualClock())() is None
    assert counting.asked == 0


async def test_many_who_ask_at_a_time_ask_once(counting: Counting) -> None:
    clock = ManualClock()
    ask = asks(counting, clock)
    for _ in range(3):
        await asyncio.gather(*(ask() for _ in range(20)))
    assert counting.asked == 1
    clock.advance(FRESH_S)
    await ask()
    assert counting.asked == 2


async def test_a_store_that_cannot_say_is_down(counting: Counting) -> None:
    counting.fault = Unavailable("the store is away")
    assert await asks(counting, ManualClock())() == Census(up=False)


async def test_a_store_that_says_nothing_is_not_waited_for(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "PATIENCE_S", 0.01)
    clock = ManualClock()
    ask = asks(counting, clock)
    counting.gate.clear()
    assert await ask() == Census(up=False)
    clock.advance(10 * FRESH_S)
    assert await ask() == Census(up=False)
    assert counting.asked == 1, "one question at a time"
    counting.gate.set()
    await asyncio.sleep(0)
    found = await ask()
    assert found is not None


def test_nothing_waits() -> None:
    assert standing("a.b", {"states": {}, "oldest": None}, 5.0) == Standing("a.b", {}, None)
