from __future__ import annotations

import asyncio
import time
from collections import deque

import pytest

from dragoman.tasks.lasting import PAUSE_S, Work, lasting
from dragoman.tasks.store import StoreFailed


class Worker:
    """Does its work as often as there is an outcome for it, and then waits for ever."""

    def __init__(self, *outcomes: Exception | None, pause_s_max: float = 60.0) -> None:
        self.outcomes = deque(outcomes)
        self.troubles: list[str] = []
        self.began_at: list[float] = []
        self.done = asyncio.Event()
        work = Work(self.step, "it cannot be done now", "it is done again")
        self.loop = asyncio.ensure_future(lasting(work, pause_s_max, lambda: 1.0, self.troubles.append))

    async def step(self) -> asyncio.Future[None] | asyncio.Task[None]:
        self.began_at.append(time.monotonic())
        if not self.outcomes:
            self.done.set()
            return asyncio.Future()
        outcome = self.outcomes.popleft()
        if outcome is not None:
            raise outcome
        return asyncio.ensure_future(asyncio.sleep(0))

    async def end(self) -> list[float]:
        """Its pauses, once all is done."""
        async with asyncio.timeout(10):
            await self.done.wait()
        self.loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.loop
        return [after - before for before, after in zip(self.began_at, self.began_at[1:], strict=False)]


async def test_what_fails_is_tried_again_and_told_once_and_so_is_that_it_goes_on() -> None:
    worker = Worker(StoreFailed("the disk is full"), StoreFailed("still"), None, None, ValueError("what?"), None)
    await worker.end()
    again = "it is done again"
    full, wrong = "it cannot be done now: the disk is full", "it cannot be done now: ValueError: what?"
    assert worker.troubles == [full, again, wrong, again]


async def test_pauses_grow_and_no_further_than_to_their_bound() -> None:
    pauses = await Worker(*[StoreFailed("cut off")] * 10, pause_s_max=4 * PAUSE_S).end()
    bounds = [PAUSE_S, 2 * PAUSE_S, *[4 * PAUSE_S] * 8]
    assert all(pause > bound * 0.99 for pause, bound in zip(pauses, bounds, strict=True))


async def test_what_went_well_has_pauses_begin_anew() -> None:
    # Together they would be minutes if they grew on.
    await Worker(*[StoreFailed("cut off"), None] * 12).end()


async def test_what_is_waited_for_is_waited_for() -> None:
    worker = Worker()
    await worker.done.wait()
    assert not worker.loop.done()
    await worker.end()
