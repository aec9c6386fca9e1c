import asyncio

import pytest

from dragoman.core.call import Call, Reply
from dragoman.core.clock import SystemClock
from dragoman.core.fault import DeadlineExceeded, NotFound, Started
from dragoman.policies.deadline import deadline
from tests.policies.calls import make_call

CLOCK = SystemClock()


def late() -> Call:
    return make_call(deadline=CLOCK.monotonic() + 0.02)


async def test_an_answer_in_time_passes() -> None:
    async def serve(call: Call) -> Reply:
        return Reply(b"1")

    service = deadline(CLOCK)(serve)
    assert (await service(make_call(deadline=CLOCK.monotonic() + 60))).body == b"1"
    assert (await service(make_call())).body == b"1"


async def test_a_fault_in_time_passes() -> None:
    async def serve(call: Call) -> Reply:
        raise NotFound("no")

    with pytest.raises(NotFound):
        await deadline(CLOCK)(serve)(make_call(deadline=CLOCK.monotonic() + 60))


async def test_a_call_past_its_deadline_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def serve(call: Call) -> Reply:
        call.dispatched_at = CLOCK.monotonic()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Reply(b"")

    with pytest.raises(DeadlineExceeded) as fault:
        await deadline(CLOCK)(serve)(late())
    assert fault.value.started is Started.YES
    await asyncio.wait_for(cancelled.wait(), 5)
    with pytest.raises(DeadlineExceeded) as fault:
        await deadline(CLOCK, Started.UNKNOWN)(serve)(late())
    assert fault.value.started is Started.UNKNOWN


async def test_a_call_that_nobody_took_up_never_ran() -> None:
    async def serve(call: Call) -> Reply:
        return await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlineExceeded) as fault:
        await deadline(CLOCK)(serve)(late())
    assert fault.value.started is Started.NO


async def test_a_call_that_ignores_its_cancellation_is_answered_all_the_same() -> None:
    release = asyncio.Event()

    async def serve(call: Call) -> Reply:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        raise ZeroDivisionError

    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(deadline(CLOCK)(serve)(late()), 5)
    release.set()


async def test_a_caller_that_leaves_takes_the_call_along() -> None:
    cancelled = asyncio.Event()

    async def serve(call: Call) -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Reply(b"")

    async def wait() -> Reply:
        return await deadline(CLOCK)(serve)(make_call(deadline=CLOCK.monotonic() + 60))

    task = asyncio.ensure_future(wait())
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait_for(cancelled.wait(), 5)
