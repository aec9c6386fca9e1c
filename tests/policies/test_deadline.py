import asyncio
from collections.abc import AsyncIterator

import pytest

from dragoman.core.call import Call, Reply
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Cancelled, DeadlineExceeded, NotFound, Started
from dragoman.core.service import Layer, Pending, Service, settle
from dragoman.policies.deadline import deadline
from dragoman.testing import ManualClock
from tests.policies.calls import make_call

CLOCK = SystemClock()


def bounded(begun: Started = Started.YES) -> Layer:
    return deadline(CLOCK, asyncio.get_running_loop().call_later, begun)


def late() -> Call:
    return make_call(deadline=CLOCK.monotonic() + 0.02)


async def test_an_answer_in_time_passes() -> None:
    async def serve(call: Call) -> Reply:
        return Reply(b"1")

    service = bounded()(serve)
    assert (await service(make_call(deadline=CLOCK.monotonic() + 60))).body == b"1"
    assert (await service(make_call())).body == b"1"


async def test_a_fault_in_time_passes() -> None:
    async def serve(call: Call) -> Reply:
        raise NotFound("no")

    with pytest.raises(NotFound):
        await bounded()(serve)(make_call(deadline=CLOCK.monotonic() + 60))


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
        await bounded()(serve)(late())
    assert fault.value.started is Started.YES
    await asyncio.wait_for(cancelled.wait(), 5)
    with pytest.raises(DeadlineExceeded) as fault:
        await bounded(Started.UNKNOWN)(serve)(late())
    assert fault.value.started is Started.UNKNOWN


async def test_a_call_that_nobody_took_up_never_ran() -> None:
    async def serve(call: Call) -> Reply:
        return await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlineExceeded) as fault:
        await bounded()(serve)(late())
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
        await asyncio.wait_for(bounded()(serve)(late()), 5)
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
        return await bounded()(serve)(make_call(deadline=CLOCK.monotonic() + 60))

    task = asyncio.ensure_future(wait())
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait_for(cancelled.wait(), 5)


class Parked:
    """A service on `Pending`: it keeps what it was asked for, and says whether it was told to stop."""

    def __init__(self) -> None:
        self.given: list[Pending] = []
        self.stopped = 0

    def __call__(self, call: Call, /) -> Pending:
        pending = Pending()
        pending.on_cancel = self._stop
        self.given.append(pending)
        return pending

    def _stop(self) -> None:
        self.stopped += 1


class Items:
    closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.closed = True


def begun_on(clock: ManualClock, service: Service) -> Pending:
    call = make_call(deadline=clock.monotonic() + 5)
    return settle(deadline(clock, clock.call_later)(service)(call))


def test_a_pending_reply_needs_no_task_and_leaves_no_timer() -> None:
    clock, service = ManualClock(), Parked()
    pending = begun_on(clock, service)
    service.given[0].resolve(Reply(b"1"))
    assert pending.result().body == b"1"
    assert clock.timers == 0


def test_an_answer_that_is_there_already_is_passed_on() -> None:
    clock = ManualClock()
    failed = Pending.failed(NotFound("no"))
    assert begun_on(clock, lambda _: failed) is failed
    assert clock.timers == 0


def test_at_the_deadline_the_caller_is_answered_and_the_service_told_once() -> None:
    clock, service = ManualClock(), Parked()
    pending = begun_on(clock, service)
    clock.advance(5)
    assert isinstance(pending.fault, DeadlineExceeded)
    assert service.stopped == 1
    service.given[0].fail(NotFound("late"))
    assert isinstance(pending.fault, DeadlineExceeded)


def test_a_caller_that_leaves_a_pending_reply_is_passed_on() -> None:
    clock, service = ManualClock(), Parked()
    pending = begun_on(clock, service)
    pending.cancel()
    service.given[0].fail(Cancelled("it was"))
    assert (service.stopped, clock.timers) == (1, 0)
    assert isinstance(pending.fault, Cancelled)


async def test_a_stream_that_comes_too_late_is_closed() -> None:
    clock, service, items = ManualClock(), Parked(), Items()
    begun_on(clock, service)
    clock.advance(5)
    service.given[0].resolve(Reply(b"", items=items))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert items.closed
