from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from dragoman.contract import codec
from dragoman.core.call import Call, Codec, Priority, Reply
from dragoman.core.fault import DeadlineExceeded, Overloaded, WorkerLost
from dragoman.core.inflow import InputStream
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.policies.coalesce import Coalesce, CoalesceOptions
from dragoman.policies.key import WHOLE_BYTES_MAX
from dragoman.policies.surroundings import Surroundings
from tests.policies.world import Pool, World, aim, run

TARGET = aim(idempotent=True)


def make(body: bytes = b'{"a":1}', kind: Codec = Codec.JSON, target: Target = TARGET) -> Call:
    return Call(target, body, kind, deadline=1005.0, arrived_at=1000.0)


def test_calls_that_say_the_same_run_once() -> None:
    pool, coalesce = Pool(), Coalesce(CoalesceOptions(), World().surroundings)
    service = coalesce(pool)
    bodies = [b'{"a":1,"b":2}', b'{"b":2,"a":1}', b'{"a":1, "b":2}']
    pendings = [run(service, make(body)) for body in bodies]
    pendings.append(run(service, make(codec.encode({"b": 2, "a": 1}, Codec.MSGPACK), Codec.MSGPACK)))
    other = run(service, make(b'{"a":1,"b":3}'))
    assert len(pool.calls) == 2
    assert coalesce.state() == {"in_flight": 2, "waiting": 5}
    pool.pendings[0].resolve(Reply(b"1"))
    assert [pending.result().body for pending in pendings] == [b"1"] * 4
    assert not other.done
    assert coalesce.counts == {"run": 2, "joined": 3}


def test_where_another_layer_sees_to_it_calls_are_left_alone() -> None:
    pool, coalesce = Pool(), Coalesce(CoalesceOptions(), World().surroundings, covered=True)
    assert coalesce(pool) is pool
    assert coalesce.state() == {"in_flight": 0, "waiting": 0, "covered": True}


def test_answers_in_different_codecs_are_different_calls() -> None:
    pool = Pool()
    service = Coalesce(CoalesceOptions(), World().surroundings)(pool)
    for reply_codec in (Codec.JSON, Codec.MSGPACK, Codec.JSON):
        call = make()
        call.reply_codec = reply_codec
        run(service, call)
    assert [call.reply_codec for call in pool.calls] == [Codec.JSON, Codec.MSGPACK]


def test_a_key_of_its_own_says_what_is_the_same() -> None:
    pool = Pool()
    service = Coalesce(CoalesceOptions(key=("a",)), World().surroundings)(pool)
    for body in (b'{"a":1,"b":1}', b'{"a":1,"b":2}', b'{"a":2,"b":1}'):
        run(service, make(body))
    assert len(pool.calls) == 2


@pytest.mark.parametrize("way", ["stream", "input", "key", "large"])
def test_streams_and_calls_with_a_key_of_their_own_run_for_themselves(way: str) -> None:
    pool = Pool()
    service = Coalesce(CoalesceOptions(), World().surroundings)(pool)
    for number in range(2):
        call = make(target=aim(idempotent=way != "key", streaming=way == "stream"))
        if way == "input":
            call.input = InputStream(lambda count: None)
        if way == "large":
            call.body = bytes(WHOLE_BYTES_MAX + 1)
        if way == "key":
            call.idempotency_key = str(number)
        assert service(call) is pool.pendings[-1]
    assert len(pool.calls) == 2


def test_put_around_another_service_it_goes_on_with_what_it_knows() -> None:
    old, new = Pool(), Pool()
    coalesce = Coalesce(CoalesceOptions(), World().surroundings)
    first = run(coalesce(old), make())
    second = run(coalesce(new), make())
    assert not new.calls
    old.pendings[0].resolve(Reply(b"1"))
    assert first.result().body == second.result().body == b"1"
    run(coalesce(new), make())
    assert len(new.calls) == 1


async def test_a_thousand_callers_of_one_key_run_the_function_once() -> None:
    runs = 0

    async def serve(call: Call) -> Reply:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        return Reply(b"1")

    service = Coalesce(CoalesceOptions(), Surroundings.here())(serve)

    async def one() -> bytes | memoryview:
        return (await service(Call(TARGET, b"{}"))).body

    assert await asyncio.gather(*(one() for _ in range(1000))) == [b"1"] * 1000
    assert runs == 1


class Crowd(RuleBasedStateMachine):
    """Callers of a few keys who come, leave and run out of time; runs that end well or badly, or refuse at once."""

    waiting = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.world, self.pool = World(), Pool()
        self.coalesce = Coalesce(CoalesceOptions(waiting_max=3), self.world.surroundings)
        self.service = self.coalesce(self._serve)
        self.pendings: list[tuple[Pending, Call, list[int]]] = []
        self.refusing = False

    def _serve(self, call: Call) -> Pending:
        return Pending.failed(Overloaded("full")) if self.refusing else self.pool(call)

    @rule(target=waiting, key=st.integers(0, 2), timeout_s=st.sampled_from([1.0, 5.0]), what=st.integers(0, 5))
    def come(self, key: int, timeout_s: float, what: int) -> Any:
        now = self.world.now()
        call = Call(TARGET, b"%d" % key, deadline=now + timeout_s, arrived_at=now)
        call.caller, call.fresh = "ab"[what % 2], what == 3
        call.priority = Priority.BATCH if what == 4 else Priority.NORMAL
        if what == 5:
            call.on_event = lambda event: None
        settled: list[int] = []
        pending = run(self.service, call)
        pending.then(lambda _: settled.append(1))
        self.pendings.append((pending, call, settled))
        return pending

    @rule(pending=consumes(waiting))
    def leave(self, pending: Pending) -> None:
        pending.cancel()
        assert pending.done

    @rule(number=st.integers(0, 5), how=st.sampled_from(["reply", "lost", "late", "full"]))
    def end(self, number: int, how: str) -> None:
        running = [pending for pending in self.pool.pendings if not pending.done]
        if not running:
            return
        pending = running[number % len(running)]
        if how == "reply":
            pending.resolve(Reply(self.pool.calls[self.pool.pendings.index(pending)].body))  # pyright: ignore[reportArgumentType] - bytes here
        else:
            faults = {"lost": WorkerLost("it died"), "late": DeadlineExceeded("late"), "full": Overloaded("full")}
            pending.fail(faults[how])

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        for pending, call in zip(self.pool.pendings, self.pool.calls, strict=True):
            if call.deadline <= self.world.now():
                pending.fail(DeadlineExceeded("the pool ends what is out of time"))

    @rule(refusing=st.booleans())
    def refuse(self, *, refusing: bool) -> None:
        self.refusing = refusing

    @invariant()
    def everybody_is_answered_once_with_its_own_answer_and_in_time(self) -> None:
        for pending, call, settled in self.pendings:
            assert len(settled) == pending.done
            assert pending.done or call.deadline > self.world.now()
            assert pending.reply is None or pending.reply.body == call.body
        replies = [id(pending.reply) for pending, _, _ in self.pendings if pending.reply is not None]
        assert len(set(replies)) == len(replies)

    @invariant()
    def what_runs_is_wanted_and_what_is_wanted_runs(self) -> None:
        open_calls = sum(not pending.done for pending, _, _ in self.pendings)
        assert (open_calls == 0) == (self.pool.inside == 0)
        assert self.pool.inside <= open_calls

    def teardown(self) -> None:
        for pending, _, _ in self.pendings:
            pending.cancel()
        assert not self.pool.inside
        assert not self.world.clock.timers
        assert self.coalesce.state() == {"in_flight": 0, "waiting": 0}


TestCrowd = Crowd.TestCase
