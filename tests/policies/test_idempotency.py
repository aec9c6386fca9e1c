from __future__ import annotations

import asyncio

import pytest

from dragoman.core.call import Call, Codec, Reply, Ties
from dragoman.core.draft import Draft
from dragoman.core.fault import (
    Aborted,
    Cancelled,
    DeadlineExceeded,
    FailedPrecondition,
    Fault,
    Internal,
    Overloaded,
    Started,
    Unknown,
)
from dragoman.core.service import Pending
from dragoman.policies.idempotency import WAITING_MAX, Idempotency, IdempotencyOptions
from tests.policies.world import Items, Pool, World, aim, call_of, run


class Counter:
    """A shop with one function, and the layer in front of it."""

    def __init__(self, options: IdempotencyOptions | None = None, *, streaming: bool = False) -> None:
        self.world = World()
        self.pool = Pool()
        self.layer = Idempotency(options or IdempotencyOptions(), self.world.surroundings)
        self.service = self.layer(self.pool)
        self.target = aim(streaming=streaming)

    def call(
        self,
        key: str = "k",
        body: bytes = b"{}",
        caller: str = "a",
        *,
        codec: Codec = Codec.JSON,
        within_s: float = 60.0,
    ) -> Call:
        now = self.world.now()
        call = Call(self.target, body, codec, id=1, deadline=now + within_s, arrived_at=now)
        call.idempotency_key, call.caller = key, caller
        return call

    def send(self, key: str = "k", body: bytes = b"{}", caller: str = "a", *, within_s: float = 60.0) -> Pending:
        return run(self.service, self.call(key, body, caller, within_s=within_s))

    def answer(self, outcome: Reply | Fault, index: int = -1) -> None:
        pending = self.pool.pendings[index]
        if isinstance(outcome, Fault):
            pending.fail(outcome)
        else:
            pending.resolve(outcome)

    def start(self, index: int = -1) -> None:
        self.pool.calls[index].dispatched_at = self.world.now()

    def assert_empty(self) -> None:
        assert not self.layer.running
        assert self.world.clock.timers == 0


def test_a_repeat_gets_the_first_answer_byte_for_byte() -> None:
    counter = Counter()
    first = counter.send()
    reply = Reply(memoryview(b"\x81\x01"), Codec.MSGPACK, None, 0.1, 0.2)
    counter.answer(reply)
    assert first.result() is reply
    for _ in range(2):
        again = counter.send().result()
        assert (again.body, again.codec) == (b"\x81\x01", Codec.MSGPACK)
        assert again is not reply
    assert len(counter.pool.calls) == 1
    assert counter.layer.counts == {"begun": 1, "repeated": 2, "joined": 0, "refused": 0, "evicted": 0}
    counter.assert_empty()


def test_calls_without_a_key_pass_through() -> None:
    counter = Counter()
    assert counter.send("") is counter.pool.pendings[0]
    assert counter.send("") is counter.pool.pendings[1]
    assert counter.layer.state() == {"entries": 0, "bytes": 0, "in_flight": 0, "shared": None}


def test_a_layer_of_other_options_runs_nothing_again_that_was_begun_or_answered() -> None:
    counter, other = Counter(), Counter(IdempotencyOptions(ttl_s=60.0, entries_max=1))
    counter.send("answered")
    counter.answer(Reply(b"1"))
    first = counter.send("begun")
    other.layer.take_over(counter.layer)
    assert other.send("answered").result().body == b"1"
    repeat = other.send("begun")
    assert not repeat.done
    counter.answer(Reply(b"2"))
    assert first.result().body == repeat.result().body == other.send("begun").result().body == b"2"
    assert not other.pool.calls
    assert other.layer.state()["entries"] == 1, "its own bounds hold"
    counter.assert_empty()
    other.assert_empty()


def test_keys_are_their_callers_own() -> None:
    counter = Counter()
    counter.send(caller="a")
    counter.send(caller="b")
    counter.send("other", caller="a")
    assert len(counter.pool.calls) == 3


def test_another_input_is_refused_while_the_first_runs_and_after() -> None:
    counter = Counter()
    counter.send()
    for _ in range(2):
        fault = counter.send(body=b'{"a":1}').fault
        assert isinstance(fault, FailedPrecondition)
        assert fault.started is Started.NO
        assert "with another input" in fault.detail
        counter.answer(Reply(b"1"))
    fault = run(counter.service, counter.call(codec=Codec.MSGPACK)).fault
    assert isinstance(fault, FailedPrecondition), "the same bytes in another codec are another input"
    assert len(counter.pool.calls) == 1


def test_a_repeat_waits_for_a_call_that_runs() -> None:
    counter = Counter()
    calls = [counter.send() for _ in range(5)]
    assert not any(each.done for each in calls)
    counter.answer(Reply(b"1"))
    assert [each.result().body for each in calls] == [b"1"] * 5
    assert len(counter.pool.calls) == 1
    counter.assert_empty()


def test_a_fault_is_repeated() -> None:
    counter = Counter()
    first = counter.send()
    fault = Unknown("ValueError: no", started=Started.YES, traceback="here")
    counter.answer(fault)
    assert first.fault is fault
    again = counter.send().fault
    assert type(again) is Unknown
    assert (again.detail, again.started, again.traceback) == ("ValueError: no", Started.YES, "here")
    assert again is not fault


def test_a_call_that_never_started_may_be_tried_again() -> None:
    counter = Counter()
    first, second = counter.send(), counter.send()
    counter.answer(Overloaded("full", retry_after_s=1.0))
    assert isinstance(first.fault, Overloaded)
    assert isinstance(second.fault, Overloaded)
    counter.send()
    counter.answer(Reply(b"1"))
    assert len(counter.pool.calls) == 2
    assert counter.send().result().body == b"1"


def test_who_leaves_before_the_call_began_takes_it_along() -> None:
    counter = Counter()
    first = counter.send()
    first.cancel()
    assert counter.pool.cancelled == 1
    assert isinstance(first.fault, Cancelled)
    # Whoever ran it says that it never started: the key is free.
    assert first.fault.started is Started.NO


def test_a_call_that_has_begun_goes_on_for_the_repeat_when_its_caller_leaves() -> None:
    counter = Counter()
    first = counter.send()
    counter.start()
    first.cancel()
    assert isinstance(first.fault, Cancelled)
    assert first.fault.started is Started.YES
    assert counter.pool.cancelled == 0
    second = counter.send()
    counter.answer(Reply(b"1"))
    assert second.result().body == b"1"
    assert counter.send().result().body == b"1"
    counter.assert_empty()


def test_who_leaves_while_others_wait_disturbs_nobody() -> None:
    counter = Counter()
    first, second, third = (counter.send() for _ in range(3))
    first.cancel()
    second.cancel()
    assert counter.pool.cancelled == 0
    counter.answer(Reply(b"1"))
    assert third.result().body == b"1"
    counter.assert_empty()


def test_a_repeat_waits_no_longer_than_its_own_deadline() -> None:
    counter = Counter()
    first = counter.send()
    counter.start()
    second = counter.send(within_s=1.0)
    counter.world.clock.advance(1.0)
    assert isinstance(second.fault, DeadlineExceeded)
    assert second.fault.detail == "s.f ran past the 1s timeout of this call"
    assert not first.done
    counter.answer(Reply(b"1"))
    assert first.result().body == b"1"
    counter.assert_empty()


def test_only_so_many_wait() -> None:
    counter = Counter()
    for _ in range(WAITING_MAX):
        counter.send()
    fault = counter.send().fault
    assert isinstance(fault, Aborted)
    assert fault.started is Started.NO


def test_a_call_made_for_the_first_does_not_wait_for_it() -> None:
    counter = Counter()
    counter.send()
    nested = counter.call()
    nested.ties, nested.depth = Ties(counter.pool.calls[0]), 1
    fault = run(counter.service, nested).fault
    assert isinstance(fault, Aborted)
    assert "wait for itself" in fault.detail


def test_answers_are_forgotten_after_their_time() -> None:
    counter = Counter(IdempotencyOptions(ttl_s=10.0))
    counter.send()
    counter.answer(Reply(b"1"))
    counter.world.clock.advance(10.0)
    counter.send()
    assert len(counter.pool.calls) == 2


async def test_a_stream_is_given_once_and_refused_afterwards() -> None:
    counter = Counter()
    first, second = counter.send(), counter.send()
    items = Items(3)
    counter.answer(Reply(b"", items=items))
    assert first.result().items is items
    for fault in (second.fault, counter.send().fault):
        assert isinstance(fault, FailedPrecondition)
        assert "its answer was a stream" in fault.detail
    counter.assert_empty()


async def test_a_stream_for_nobody_is_closed() -> None:
    counter = Counter()
    first = counter.send()
    counter.start()
    first.cancel()
    items = Items(3)
    counter.answer(Reply(b"", items=items))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert items.closed
    counter.assert_empty()


def test_a_function_that_streams_is_not_waited_for_and_stops_with_its_caller() -> None:
    counter = Counter(streaming=True)
    first = counter.send()
    counter.start()
    assert isinstance(counter.send().fault, FailedPrecondition)
    first.cancel()
    assert counter.pool.cancelled == 1


def test_what_lies_in_the_callers_memory_is_copied() -> None:
    counter = Counter()
    memory = bytearray(b"12")
    call = counter.call(body=b"")
    call.body = memoryview(memory)
    run(counter.service, call)
    memory[:] = b"34"
    assert counter.pool.calls[0].body == b"12"
    assert isinstance(counter.send(body=b"34").fault, FailedPrecondition)


def test_a_body_that_is_yet_to_be_written_is_written() -> None:
    counter = Counter()

    class Two(Draft):
        def __init__(self) -> None:
            super().__init__(2, self.fill)

        def fill(self, into: memoryview) -> None:
            into[:] = b"12"

    call = counter.call(body=b"")
    call.body = Two()
    run(counter.service, call)
    assert counter.pool.calls[0].body == b"12"


def test_a_service_that_cannot_be_called_leaves_nothing() -> None:
    counter = Counter()

    def broken(call: Call) -> Pending:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        counter.layer(broken)(counter.call())
    counter.assert_empty()
    counter.send()
    assert len(counter.pool.calls) == 1


async def test_services_that_are_coroutines_are_served_too() -> None:
    counter = Counter()
    runs = 0

    async def slow(call: Call) -> Reply:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        return Reply(b"1")

    service = counter.layer(slow)
    replies = await asyncio.gather(*(settle_of(service(counter.call())) for _ in range(3)))
    assert [reply.body for reply in replies] == [b"1"] * 3
    assert runs == 1


async def settle_of(pending: object) -> Reply:
    assert isinstance(pending, Pending)
    return await pending


def test_an_answer_too_large_to_keep_is_not_computed_twice() -> None:
    counter = Counter(IdempotencyOptions(bytes_max=1000))
    first = counter.send()
    counter.answer(Reply(bytes(2000)))
    assert len(first.result().body) == 2000
    fault = counter.send().fault
    assert isinstance(fault, FailedPrecondition)
    assert "idempotency.memory" in fault.detail


def test_a_fault_of_the_host_is_repeated_as_it_was() -> None:
    counter = Counter()
    counter.send()
    counter.answer(Internal("bug"))
    assert isinstance(counter.send().fault, Internal)
    assert call_of().idempotency_key == ""
