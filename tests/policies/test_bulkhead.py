import asyncio

import pytest
from hypothesis import settings
from hypothesis.stateful import invariant

from dragoman.core.call import Call, Priority, Reply
from dragoman.core.fault import Cancelled, DeadlineExceeded, Draining, Fault, Internal, Overloaded, Started
from dragoman.core.service import Pending, Service, settle
from dragoman.policies.bulkhead import Bulkhead, BulkheadOptions
from dragoman.policies.held import HeldStream
from dragoman.policies.surroundings import Surroundings
from dragoman.testing.clock import ManualClock
from tests.policies.crowd import Crowd, Desk, Items, at_once, call_of, surroundings


class Room:
    """A bulkhead around a desk."""

    def __init__(self, concurrency: int, queue: int, caller_share: float = 1.0) -> None:
        self.clock = ManualClock()
        self.desk = Desk()
        self.layer = Bulkhead(BulkheadOptions(concurrency, queue, caller_share), surroundings(self.clock))
        self.service: Service = self.layer(self.desk)

    def call(self, caller: str = "", priority: int = Priority.NORMAL) -> Pending:
        return settle(self.service(call_of(caller, priority)))

    def end_first(self) -> None:
        self.desk.reply(next(iter(self.desk.open)))

    @property
    def callers(self) -> str:
        return "".join(call.caller for call in self.desk.begun)


def refused(pending: Pending) -> bool:
    return isinstance(pending.fault, Overloaded)


def test_calls_past_concurrency_wait_and_past_the_queue_are_refused_at_once() -> None:
    room = Room(2, 3)
    calls = [room.call() for _ in range(5)]
    late = room.call().fault
    assert isinstance(late, Overloaded)
    assert (late.started, late.retry_after_s) == (Started.NO, 1.0)
    assert "bulkhead.concurrency" in late.detail
    assert len(room.desk.open) == 2
    assert room.layer.state() == {"in_flight": 2, "waiting": 3}
    room.desk.answer_all()
    assert all(call.reply is not None for call in calls)
    assert room.layer.state() == {"in_flight": 0, "waiting": 0}
    assert room.layer.counts == {"waited": 3, "refused": 1, "displaced": 0, "expired": 0}


def test_without_a_bound_it_is_not_there() -> None:
    room = Room(0, 10)
    assert room.service is room.desk


def test_a_waiting_call_that_gives_up_leaves_its_place_and_never_ran() -> None:
    room = Room(1, 1)
    room.call()
    waiting = room.call()
    waiting.cancel()
    assert isinstance(waiting.fault, Cancelled)
    assert waiting.fault.started is Started.NO
    again = room.call()
    room.desk.answer_all()
    assert again.reply is not None
    assert len(room.desk.begun) == 2


def test_one_that_has_waited_and_runs_can_still_be_cancelled() -> None:
    room = Room(1, 1)
    room.call()
    waiting = room.call()
    room.end_first()
    waiting.cancel()
    assert isinstance(waiting.fault, Cancelled)
    assert room.layer.in_flight == 0


def test_waiting_ends_at_the_deadline() -> None:
    room = Room(1, 5)
    room.call()
    now = room.clock.monotonic()
    waiting = settle(room.service(call_of(arrived_at=now, timeout_s=2.0)))
    forever = room.call()
    room.clock.advance(2.0)
    assert isinstance(waiting.fault, DeadlineExceeded)
    assert waiting.fault.started is Started.NO
    assert "its whole 2s timeout" in waiting.fault.detail
    assert not forever.done
    assert (room.layer.waiting, room.layer.counts["expired"], room.clock.timers) == (1, 1, 0)


def test_a_failed_call_gives_its_place_up() -> None:
    room = Room(1, 0)
    for _ in range(3):
        pending = room.call()
        room.desk.fail(room.desk.begun[-1], Internal("no"))
        assert isinstance(pending.fault, Internal)


@pytest.mark.parametrize("caller_share", [1.0, 0.5])
def test_a_service_that_raises_at_once_keeps_no_place(caller_share: float) -> None:
    room = Room(1, 5, caller_share)

    def broken(_: Call) -> Pending:
        raise ValueError("no")

    service = room.layer(broken)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            service(call_of())
    room.call()
    waiting = settle(service(call_of()))
    room.desk.answer_all()
    assert isinstance(waiting.fault, Internal)
    assert room.layer.in_flight == 0


def test_a_long_line_of_calls_that_fail_at_once_ends_without_nesting() -> None:
    room = Room(1, 5000)
    first = room.call()
    waiting = [room.call() for _ in range(5000)]
    room.desk.refusal = Draining("stopping")
    room.desk.reply(room.desk.begun[0])
    assert first.reply is not None
    assert all(isinstance(each.fault, Draining) for each in waiting)
    assert (room.layer.in_flight, room.layer.waiting) == (0, 0)


async def test_services_that_are_coroutine_functions_are_bounded_too() -> None:
    inside = most = 0
    gate = asyncio.Event()

    async def serve(_: Call) -> Reply:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        try:
            await gate.wait()
        finally:
            inside -= 1
        return Reply(b"1")

    service = Bulkhead(BulkheadOptions(2, 3), surroundings(ManualClock()))(serve)
    calls = [asyncio.ensure_future(service(call_of())) for _ in range(5)]
    for _ in range(3):
        await asyncio.sleep(0)
    calls[3].cancel()
    gate.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(each, Reply) for each in done] == [True, True, True, False, True]
    assert (inside, most) == (0, 2)


@pytest.mark.parametrize("end", ["read", "closed"])
@pytest.mark.parametrize("waited", [False, True])
def test_a_stream_holds_its_place_until_it_ends_or_is_closed(end: str, waited: bool) -> None:  # noqa: FBT001 - a parameter of the test
    room = Room(1, 1 if waited else 0)
    if waited:
        room.call()
    pending = room.call()
    if waited:
        room.end_first()
    items = Items(2)
    room.desk.reply(room.desk.begun[-1], items)
    assert pending.reply is not None
    stream = pending.reply.items
    assert isinstance(stream, HeldStream)
    assert room.layer.in_flight == 1
    if end == "closed":
        at_once(stream.aclose())
        assert items.closed
    else:
        while at_once(stream.batch()):
            assert room.layer.in_flight == 1
    assert room.layer.in_flight == 0


# Shares


def test_a_caller_alone_may_have_everything() -> None:
    room = Room(4, 4, 0.25)
    calls = [room.call("a") for _ in range(8)]
    assert not any(map(refused, calls))
    assert refused(room.call("a"))
    room.desk.answer_all()
    assert all(call.reply for call in calls)


def test_callers_take_turns_and_one_that_floods_does_not_starve_another() -> None:
    room = Room(2, 100, 0.5)
    for _ in range(50):
        room.call("a", Priority.CRITICAL)
    for _ in range(3):
        room.call("b", Priority.BATCH)
    for _ in range(7):
        room.end_first()
    assert room.callers[:8] == "aababab" + "a"


def test_a_caller_with_less_than_its_share_displaces_one_with_more() -> None:
    room = Room(1, 4, 0.5)
    flood = [room.call("a") for _ in range(5)]
    late = [room.call("b") for _ in range(3)]
    assert [refused(each) for each in (*flood, *late)] == [False] * 3 + [True] * 2 + [False] * 2 + [True]
    assert "better right" in str(flood[-1].fault)
    assert room.layer.counts["displaced"] == 2
    assert room.layer.state()["callers_waiting"] == 2


def test_unknown_callers_share_one_bucket() -> None:
    room = Room(1, 10, 0.5)
    for caller in ("a", "", "", "", "a"):
        room.call(caller)
    room.call("b")
    room.desk.answer_all()
    assert [call.caller for call in room.desk.begun] == ["a", "", "a", "b", "", ""]


def test_what_matters_more_goes_first_and_finds_a_place_in_a_full_line() -> None:
    room = Room(1, 2)
    room.call()
    batch = [room.call(priority=Priority.BATCH) for _ in range(2)]
    critical = room.call(priority=Priority.CRITICAL)
    assert [refused(each) for each in (*batch, critical)] == [False, True, False]
    room.desk.answer_all()
    assert [call.priority for call in room.desk.begun] == [Priority.NORMAL, Priority.CRITICAL, Priority.BATCH]


def test_who_hears_that_it_lost_its_place_and_calls_again_finds_the_line_full() -> None:
    room, again = Room(1, 2), list[Pending]()
    room.call()
    for _ in range(2):
        room.call(priority=Priority.BATCH).then(lambda _: again.append(room.call(priority=Priority.BATCH)))
    room.call(priority=Priority.CRITICAL)
    assert [refused(each) for each in again] == [True]
    assert room.layer.waiting == 2


def test_it_goes_on_with_what_it_knows_around_another_service() -> None:
    room, other = Room(1, 5), Desk()
    first = room.call()
    second = settle(room.layer(other)(call_of()))
    assert not other.begun
    room.desk.answer_all()
    assert other.begun
    assert first.reply is not None
    other.answer_all()
    assert second.reply is not None


# Whoever leaves, whenever


class BulkheadCrowd(Crowd):
    """One caller's share is a half, of three places and of four to wait in."""

    layer: Bulkhead
    options = BulkheadOptions(3, 4, 0.5)

    def make(self, world: Surroundings) -> Bulkhead:
        return Bulkhead(self.options, world)

    def held(self) -> int:
        return self.layer.in_flight

    @invariant()
    def bounds_are_kept(self) -> None:
        assert 0 <= self.layer.in_flight <= self.options.concurrency
        assert 0 <= self.layer.waiting <= self.options.queue

    @invariant()
    def nobody_waits_for_a_place_that_is_free(self) -> None:
        assert not self.layer.waiting or self.layer.in_flight == self.options.concurrency

    @invariant()
    def who_waits_has_no_answer_yet(self) -> None:
        undone = sum(not pending.done for pending in self.pendings.values())
        assert undone == self.layer.waiting + len(self.desk.open)

    def teardown(self) -> None:
        super().teardown()
        assert self.layer.waiting == 0
        assert not any(self.layer.state().values())


class SharelessCrowd(BulkheadCrowd):
    options = BulkheadOptions(2, 3)


TestBulkheadCrowd = BulkheadCrowd.TestCase
TestSharelessCrowd = SharelessCrowd.TestCase
for case in (TestBulkheadCrowd, TestSharelessCrowd):
    case.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_fault_of_the_service_is_the_callers() -> None:
    room, seen = Room(1, 3, 0.5), list[Fault | None]()
    for _ in range(3):
        room.call("a").then(lambda pending: seen.append(pending.fault))
    while room.desk.open:
        room.desk.fail(next(iter(room.desk.open)), Internal("broken"))
    assert [str(fault) for fault in seen] == ["broken"] * 3
