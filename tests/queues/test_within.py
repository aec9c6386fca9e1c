import asyncio

import pytest

from dragoman.queues.within import within


class Deaf:
    """A library that catches a cancel on its way, and goes on."""

    def __init__(self, error: Exception | None = None) -> None:
        self.waiting = asyncio.Event()
        self._error = error

    async def ask(self) -> None:
        try:
            self.waiting.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        if self._error is not None:
            raise self._error


async def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError):
        async with within(0.01):
            await asyncio.Event().wait()


async def test_what_is_in_time_is_left_alone() -> None:
    async with within(60.0):
        await asyncio.sleep(0)


@pytest.mark.parametrize("error", [None, ConnectionError("lost")])
async def test_a_cancel_that_a_library_swallows_is_raised_all_the_same(error: Exception | None) -> None:
    library, went_on = Deaf(error), False

    async def work() -> None:
        nonlocal went_on
        async with within(60.0):
            await library.ask()
        went_on = True

    working = asyncio.ensure_future(work())
    await library.waiting.wait()
    working.cancel()
    await asyncio.wait((working,), timeout=10)
    assert working.cancelled()
    assert not went_on


async def test_who_was_cancelled_before_may_still_let_go_in_order() -> None:
    library, let_go = Deaf(), asyncio.Event()

    async def work() -> None:
        try:
            await library.ask()
        finally:
            async with within(60.0):
                await asyncio.sleep(0)
            let_go.set()

    working = asyncio.ensure_future(work())
    await library.waiting.wait()
    working.cancel()
    await asyncio.wait((working,), timeout=10)
    assert let_go.is_set()
    assert not working.cancelled()
