from __future__ import annotations

import asyncio

import pytest

from dragoman.core.call import Cached, Call, Codec, Priority, Reply, Ties
from dragoman.core.deadline import NEVER
from dragoman.core.event import Event, Progress
from dragoman.core.fault import (
    Cancelled,
    DeadlineExceeded,
    Fault,
    InvalidArgument,
    Overloaded,
    ResourceExhausted,
    Started,
    Unavailable,
)
from dragoman.core.service import Pending
from dragoman.policies.flight import Flights, Rules
from tests.policies.world import Items, Pool, World, aim

TARGET = aim(idempotent=True)
REPLY = Reply(b"1", Codec.JSON, None, 0.1, 0.2)


class Airport:
    """Flights to a pool, in a world of their own."""

    def __init__(self, rules: Rules = Rules(1000)) -> None:  # noqa: B008 - it cannot be changed
        self.world = World()
        self.pool = Pool()
        self.flights = Flights(self.world.surroundings, rules)

    def call(self, timeout_s: float = 5.0, body: bytes = b"{}", caller: str = "") -> Call:
        now = self.world.now()
        call = Call(TARGET, body, id=self.world.surroundings.next_id(), deadline=now + timeout_s, arrived_at=now)
        call.caller = caller
        return call

    def join(self, call: Call | None = None, key: bytes = b"k") -> Pending:
        return self.flights.join(call or self.call(), key, self.pool)

    def assert_empty(self) -> None:
        assert not self.flights.by_key
        assert not self.flights.waiting
        assert not self.world.clock.timers
        assert not self.pool.inside


def test_calls_of_one_key_run_once_and_each_caller_has_a_reply_of_its_own() -> None:
    port = Airport()
    pendings = [port.join() for _ in range(1000)]
    assert len(port.pool.calls) == 1
    assert port.flights.waiting == 1000
    port.pool.pendings[0].resolve(REPLY)
    replies = [pending.result() for pending in pendings]
    assert len({id(reply) for reply in replies}) == 1000
    assert {(reply.body, reply.queue_s, reply.run_s) for reply in replies} == {(b"1", 0.1, 0.2)}
    assert (port.flights.runs, port.flights.joined) == (1, 999)
    port.assert_empty()


def test_what_one_caller_s_layers_write_into_a_reply_no_other_sees() -> None:
    port = Airport()
    first, second = port.join(), port.join()
    seen: list[Cached | None] = []

    def write(pending: Pending) -> None:
        pending.result().cached = Cached(1.0, 2.0, "x")

    first.then(write)
    second.then(lambda pending: seen.append(pending.result().cached))
    port.pool.pendings[0].resolve(Reply(b"1"))
    assert seen == [None]


def test_who_is_alone_gets_the_reply_as_it_is() -> None:
    port = Airport()
    pending = port.join()
    port.pool.pendings[0].resolve(REPLY)
    assert pending.result() is REPLY
    port.assert_empty()


def test_other_keys_run_for_themselves_and_so_does_who_comes_later() -> None:
    port = Airport()
    port.join(key=b"a")
    port.join(key=b"b")
    port.pool.pendings[0].resolve(REPLY)
    port.join(key=b"a")
    assert len(port.pool.calls) == 3


def test_a_fault_is_everybody_s_and_each_has_one_of_its_own() -> None:
    port = Airport()
    pendings = [port.join() for _ in range(3)]
    port.pool.pendings[0].fail(Unavailable("down", retry_after_s=2.0))
    faults = [pending.fault for pending in pendings]
    assert {(type(fault), str(fault), fault and fault.retry_after_s) for fault in faults} == {
        (Unavailable, "down", 2.0)
    }
    assert len({id(fault) for fault in faults}) == 3
    port.assert_empty()


@pytest.mark.parametrize("leaver", [0, 1, 2])
def test_who_leaves_takes_nobody_along(leaver: int) -> None:
    port = Airport()
    pendings = [port.join() for _ in range(3)]
    pendings[leaver].cancel()
    assert isinstance(pendings[leaver].fault, Cancelled)
    assert pendings[leaver].cancelled
    assert not port.pool.cancelled
    port.join()
    assert len(port.pool.calls) == 1
    port.pool.pendings[0].resolve(REPLY)
    assert [pending.reply is not None for pending in pendings].count(True) == 2
    port.assert_empty()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_last_who_leaves_takes_the_run_along(count: int) -> None:
    port = Airport()
    pendings = [port.join() for _ in range(count)]
    for number, pending in enumerate(pendings):
        assert port.pool.cancelled == 0, number
        pending.cancel()
    assert port.pool.cancelled == 1
    assert all(isinstance(pending.fault, Cancelled) for pending in pendings)
    port.assert_empty()
    assert not port.join().done
    assert len(port.pool.calls) == 2


def test_a_run_that_goes_on_after_all_have_left_answers_nobody_else() -> None:
    port = Airport()
    stubborn = Pending()
    first = port.flights.join(port.call(), b"k", lambda call: stubborn)
    first.cancel()
    second = port.join()
    stubborn.resolve(REPLY)
    assert not second.done
    assert port.flights.by_key
    port.pool.pendings[0].resolve(Reply(b"2"))
    assert second.result().body == b"2"


def test_a_callback_that_has_others_leave_does_no_harm() -> None:
    port = Airport()
    first, second, third = (port.join() for _ in range(3))
    first.then(lambda _: second.cancel())
    port.pool.pendings[0].resolve(REPLY)
    assert isinstance(second.fault, Cancelled)
    assert third.result().body == b"1"
    port.assert_empty()


# Deadlines


def test_a_caller_s_own_deadline_ends_its_own_wait() -> None:
    port = Airport()
    hasty, patient = port.join(port.call(timeout_s=1.0)), port.join()
    port.world.clock.advance(1.0)
    assert isinstance(hasty.fault, DeadlineExceeded)
    assert "1s timeout" in str(hasty.fault)
    assert not patient.done
    port.pool.pendings[0].resolve(REPLY)
    assert patient.result().body == b"1"
    assert len(port.pool.calls) == 1
    port.assert_empty()


def test_the_run_has_the_function_s_own_time_whoever_begins_it() -> None:
    port = Airport()
    port.join(port.call(timeout_s=1.0))
    assert port.pool.calls[0].deadline == port.world.now() + 5.0
    assert port.pool.calls[0].id


def test_who_is_alone_and_out_of_time_takes_the_run_along() -> None:
    port = Airport()
    hasty = port.join(port.call(timeout_s=1.0))
    port.pool.calls[0].dispatched_at = 1.0
    port.world.clock.advance(1.0)
    assert isinstance(hasty.fault, DeadlineExceeded)
    assert hasty.fault.started is Started.YES
    assert port.pool.cancelled == 1
    port.assert_empty()


def test_a_call_that_never_began_says_so() -> None:
    port = Airport()
    hasty = port.join(port.call(timeout_s=1.0))
    port.world.clock.advance(1.0)
    assert hasty.fault is not None
    assert hasty.fault.started is Started.NO


def test_nobody_is_told_that_a_call_ran_which_others_were_sent_for() -> None:
    port = Airport()
    port.join()
    port.pool.calls[0].hand_over(port.world.now())
    hasty = port.join(port.call(timeout_s=1.0))
    port.world.clock.advance(1.0)
    assert hasty.fault is not None
    assert hasty.fault.started is Started.UNKNOWN


def test_a_run_out_of_time_begins_again_for_who_has_time_left() -> None:
    port = Airport()
    first = port.join()
    port.world.clock.advance(4.0)
    later, last = port.join(), port.join()
    port.world.clock.advance(1.0)
    port.pool.pendings[0].fail(DeadlineExceeded("5s are over"))
    assert isinstance(first.fault, DeadlineExceeded)
    assert not later.done
    assert len(port.pool.calls) == 2
    port.pool.pendings[1].resolve(REPLY)
    assert later.result().body == last.result().body == b"1"
    port.assert_empty()


def test_a_call_without_a_deadline_has_a_run_without_one() -> None:
    port = Airport()
    port.join(port.call(timeout_s=NEVER))
    hasty = port.join(port.call(timeout_s=1.0))
    port.world.clock.advance(1.0)
    assert isinstance(hasty.fault, DeadlineExceeded)
    assert port.pool.calls[0].deadline == NEVER
    port.pool.pendings[0].resolve(REPLY)
    port.assert_empty()


# Whose answer it is not


def test_a_call_that_wants_a_fresh_answer_waits_for_nothing_that_was_begun_before() -> None:
    port = Airport()
    old = port.join()
    fresh = port.call()
    fresh.fresh = True
    new, follower = port.join(fresh), port.join()
    assert len(port.pool.calls) == 2
    port.pool.pendings[1].resolve(Reply(b"2"))
    port.pool.pendings[0].resolve(Reply(b"1"))
    assert (old.result().body, new.result().body, follower.result().body) == (b"1", b"2", b"2")
    port.assert_empty()


def test_who_matters_more_waits_behind_nobody_s_call() -> None:
    port = Airport()
    batch, critical = port.call(), port.call()
    batch.priority, critical.priority = Priority.BATCH, Priority.CRITICAL
    first, second, third = port.join(batch), port.join(critical), port.join()
    assert len(port.pool.calls) == 2
    port.pool.pendings[0].fail(Overloaded("no room for batch calls"))
    assert isinstance(first.fault, Overloaded)
    port.pool.pendings[1].resolve(REPLY)
    assert second.done
    assert third.result().body == b"1"
    port.assert_empty()


def test_the_share_of_one_caller_being_used_up_is_not_the_others_business() -> None:
    port = Airport()
    greedy = [port.join(port.call(caller="a")) for _ in range(2)]
    modest = [port.join(port.call(caller=name)) for name in "bc"]
    port.pool.pendings[0].fail(ResourceExhausted("a has its share"))
    assert all(isinstance(pending.fault, ResourceExhausted) for pending in greedy)
    assert [call.caller for call in port.pool.calls] == ["a", "b"]
    port.pool.pendings[1].fail(ResourceExhausted("all is full"))
    assert all(isinstance(pending.fault, ResourceExhausted) for pending in modest)
    assert len(port.pool.calls) == 2
    port.assert_empty()


def refuse(call: Call) -> Pending:
    return Pending.failed(Overloaded("full"))


def test_a_service_that_refuses_at_once_refuses_all_who_came_again() -> None:
    port = Airport()
    first = [port.join(port.call(caller=str(number))) for number in range(50)]
    port.flights.by_key[b"k"].service = refuse  # from now on
    port.pool.pendings[0].fail(Overloaded("full"))
    assert all(isinstance(pending.fault, Overloaded) for pending in first)
    port.assert_empty()


def test_a_service_that_breaks_when_it_is_asked_again_leaves_nobody_waiting() -> None:
    def broken(call: Call) -> Pending:
        raise ValueError("oops")

    port = Airport()
    pendings = [port.join(port.call(caller=name)) for name in "ab"]
    port.flights.by_key[b"k"].service = broken
    port.pool.pendings[0].fail(Overloaded("full"))
    assert "oops" in str(pendings[1].fault)
    port.assert_empty()


@pytest.mark.parametrize("timeout_s", [1.0, 5.0])
def test_a_service_that_raises_leaves_nothing_behind(timeout_s: float) -> None:
    def broken(call: Call) -> Pending:
        raise ValueError("oops")

    port = Airport()
    with pytest.raises(ValueError, match="oops"):
        port.flights.join(port.call(timeout_s), b"k", broken)
    port.assert_empty()


def test_an_input_that_is_invalid_in_what_the_key_leaves_out_is_so_for_equal_bodies_alone() -> None:
    port = Airport(Rules(100, partial=True))
    bad = [port.join(port.call(body=b"bad")) for _ in range(2)]
    good = [port.join(port.call(body=b"good")) for _ in range(2)]
    worse = port.join(port.call(body=b"worse"))
    port.pool.pendings[0].fail(InvalidArgument("no"))
    assert all(isinstance(pending.fault, InvalidArgument) for pending in bad)
    assert [call.body for call in port.pool.calls] == [b"bad", b"good", b"worse"]
    port.pool.pendings[1].resolve(REPLY)
    port.pool.pendings[2].fail(InvalidArgument("no"))
    assert [pending.result().body for pending in good] == [b"1", b"1"]
    assert isinstance(worse.fault, InvalidArgument)
    port.assert_empty()


def test_a_stream_that_comes_all_the_same_is_the_first_one_s_alone() -> None:
    port = Airport()
    first, second = port.join(), port.join()
    items = Items(1)
    port.pool.pendings[0].resolve(Reply(b"", items=items))
    assert first.result().items is items
    assert len(port.pool.calls) == 2
    second.cancel()
    port.assert_empty()


def test_so_many_may_wait_and_no_more() -> None:
    port = Airport(Rules(2))
    port.join()
    port.join()
    refused = port.join()
    assert isinstance(refused.fault, Overloaded)
    assert refused.fault.started is Started.NO
    assert refused.fault.retry_after_s
    assert "coalesce.waiting" in str(refused.fault)


# Calls of functions


def nested(port: Airport, caller: Call) -> Call:
    call = port.call()
    call.depth, call.ties = 1, Ties(caller)
    return call


def test_a_call_that_the_run_itself_makes_does_not_wait_for_the_run() -> None:
    port = Airport()
    port.join()
    middle = Call(aim("s.g"), b"{}")
    middle.ties = Ties(port.pool.calls[0])
    port.join(nested(port, middle))
    assert len(port.pool.calls) == 2
    again = port.pool.calls[0].again(77)
    port.join(nested(port, again))
    assert len(port.pool.calls) == 3


def test_who_looks_for_knots_sees_that_a_nested_call_waits_for_the_run() -> None:
    port = Airport()
    port.join()
    call = nested(port, Call(aim("s.h"), b"{}"))
    assert call.ties is not None
    pending = port.join(call)
    assert call.ties.waits_for == {port.pool.calls[0]}
    pending.cancel()
    assert not call.ties.waits_for
    call = nested(port, Call(aim("s.h"), b"{}"))
    assert call.ties is not None
    call.deadline -= 1.0
    port.join(call, key=b"other")
    assert not call.ties.waits_for, "a call does not wait for itself"


def test_all_who_listen_hear_what_the_run_says() -> None:
    port = Airport()
    heard: dict[str, list[Event]] = {"a": [], "b": [], "c": []}
    first, second, third = port.call(), port.call(), port.call()
    second.on_event, third.on_event = heard["b"].append, heard["c"].append
    port.join(first)
    left = port.join(second)
    port.join(third)
    run = port.pool.calls[0]
    assert run.on_event is not None
    run.on_event(Progress(0.5))
    left.cancel()
    run.on_event(Progress(0.9))
    assert [len(events) for events in heard.values()] == [0, 1, 2]


def test_who_begins_a_run_and_listens_hears_once() -> None:
    port = Airport()
    heard: list[Event] = []
    call = port.call()
    call.on_event = heard.append
    port.join(call)
    port.join()
    run = port.pool.calls[0]
    assert run.on_event is not None
    run.on_event(Progress(0.5))
    assert len(heard) == 1


def test_what_is_forgotten_is_joined_no_more_and_answers_who_waits() -> None:
    port = Airport()
    old = [port.join(), port.join()]
    port.flights.forget()
    new = port.join()
    port.pool.pendings[0].resolve(Reply(b"old"))
    assert [pending.result().body for pending in old] == [b"old", b"old"]
    assert not new.done
    port.join(key=b"other")
    port.flights.forget([b"k", b"nobody's"])
    assert list(port.flights.by_key) == [b"other"]


async def test_services_that_are_coroutines_are_coalesced_too() -> None:
    gate = asyncio.Event()
    runs = 0

    async def serve(call: Call) -> Reply:
        nonlocal runs
        runs += 1
        await gate.wait()
        return REPLY

    port = Airport()
    pendings = [port.flights.join(port.call(), b"k", serve) for _ in range(3)]
    waits = [asyncio.ensure_future(wait(pending)) for pending in pendings]
    await asyncio.sleep(0)
    waits[0].cancel()
    await asyncio.sleep(0)
    gate.set()
    assert [(await each).body for each in waits[1:]] == [b"1", b"1"]
    assert runs == 1


async def wait(pending: Pending) -> Reply:
    return await pending


def test_an_outer_layer_may_hold_what_a_waiter_got() -> None:
    port = Airport()
    pending, _ = port.join(), port.join()
    cancelled: list[bool] = []

    def hold(pending: Pending) -> None:
        pending.hold()
        pending.on_cancel = lambda: (cancelled.append(True), pending.release(Fault.cancelled("gone")))

    pending.then(hold)
    port.pool.pendings[0].resolve(REPLY)
    pending.cancel()
    assert cancelled == [True]
    assert isinstance(pending.fault, Cancelled)


@pytest.mark.parametrize("callers", [1, 3])
def test_whoever_keeps_answers_is_told_of_each_before_its_callers(callers: int) -> None:
    airport = Airport()
    told: list[str] = []
    flights = Flights(airport.world.surroundings, Rules(10), lambda key, run: told.append(f"{key!r} {run.done}"))
    for _ in range(callers):
        flights.join(airport.call(), b"k", airport.pool).then(lambda _: told.append("answered"))
    airport.pool.pendings[0].resolve(Reply(b"1"))
    assert told == ["b'k' True", *["answered"] * callers]


@pytest.mark.parametrize("callers", [1, 3])
def test_of_a_run_that_nobody_may_join_any_more_nobody_is_told(callers: int) -> None:
    airport = Airport()
    told: list[bytes] = []
    flights = Flights(airport.world.surroundings, Rules(10), lambda key, _: told.append(key))
    pendings = [flights.join(airport.call(), b"k", airport.pool) for _ in range(callers)]
    flights.forget([b"k"])
    airport.pool.pendings[0].resolve(Reply(b"1"))
    assert all(pending.done for pending in pendings)
    assert not told
