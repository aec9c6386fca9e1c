import asyncio
import random
import sys
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.core.call import Call, Reply
from dragoman.core.fault import Cancelled, Fault, Internal, NotFound, Unavailable, WorkerLost
from dragoman.core.service import Pending
from dragoman.policies.hedge import SAMPLE, SAMPLES_MIN, Hedge, HedgeOptions
from tests.policies.world import Items, Pool, World, aim, call_of, run

TARGET = aim(idempotent=True)
FIRST, SECOND = Reply(b"1"), Reply(b"2")


class Hedged:
    """A hedge that knows that most calls take 10 ms, around calls that the test ends."""

    def __init__(self, options: HedgeOptions | None = None, samples: int = SAMPLES_MIN) -> None:
        self.world = World(random.Random(1).random)
        self.hedge = Hedge(options or HedgeOptions(), self.world.surroundings)
        self.pool = Pool()
        self.service = self.hedge(self.pool)
        for _ in range(samples):
            pending = self.begin()
            self.world.clock.advance(0.010)
            pending.resolve(FIRST)
        self.begun = len(self.pool.calls)

    def begin(self, deadline: float | None = None) -> Pending:
        return run(self.service, call_of(TARGET) if deadline is None else call_of(TARGET, deadline=deadline))

    @property
    def attempts(self) -> list[Pending]:
        return self.pool.pendings[self.begun :]

    def late(self) -> Pending:
        """A call that is being hedged."""
        pending = self.begin()
        self.world.clock.advance(0.012)
        assert len(self.attempts) == 2
        return pending

    def clean(self) -> bool:
        self.world.clock.advance(10)
        return not self.pool.inside and not self.world.clock.timers and not self.hedge.state()["watched"]


def test_a_call_that_takes_longer_than_most_gets_a_second_attempt() -> None:
    hedged = Hedged()
    pending = hedged.begin()
    hedged.world.clock.advance(0.009)
    assert len(hedged.attempts) == 1
    hedged.world.clock.advance(0.003)
    assert len(hedged.attempts) == 2
    assert hedged.pool.calls[-1].id != hedged.pool.calls[-2].id
    hedged.attempts[1].resolve(SECOND)
    assert pending.result() is SECOND
    assert hedged.pool.cancelled == 1
    assert hedged.hedge.counts == {"hedged": 1, "won": 1, "budget_empty": 0}
    assert hedged.clean()


def test_where_the_first_wins_the_second_is_cancelled() -> None:
    hedged = Hedged()
    pending = hedged.late()
    hedged.attempts[0].resolve(FIRST)
    assert pending.result() is FIRST
    assert isinstance(hedged.attempts[1].fault, Cancelled)
    assert hedged.hedge.counts["won"] == 0
    assert hedged.clean()


def test_nothing_is_hedged_before_enough_is_known() -> None:
    hedged = Hedged(samples=SAMPLES_MIN - 1)
    hedged.begin()
    hedged.world.clock.advance(100)
    assert len(hedged.attempts) == 1
    assert hedged.hedge.state()["delay_s"] is None


def test_a_high_percentile_needs_more_to_be_known() -> None:
    assert Hedged(HedgeOptions(percentile=99)).hedge.state()["delay_s"] is None
    assert Hedged(HedgeOptions(percentile=99), samples=200).hedge.state()["delay_s"] == pytest.approx(0.01, rel=0.11)
    assert Hedged(HedgeOptions(percentile=100), samples=1024).hedge.state()["delay_s"] is not None


def test_no_second_attempt_comes_sooner_than_it_may() -> None:
    hedged = Hedged(HedgeOptions(delay_min_s=1.0))
    hedged.begin()
    hedged.world.clock.advance(0.99)
    assert len(hedged.attempts) == 1
    hedged.world.clock.advance(0.02)
    assert len(hedged.attempts) == 2


def test_the_delay_follows_what_calls_take() -> None:
    hedged = Hedged()
    for _ in range(SAMPLE * 3000):
        pending = hedged.begin()
        hedged.world.clock.advance(0.1)
        if not pending.done:
            pending.resolve(FIRST)
    assert hedged.hedge.state()["delay_s"] == pytest.approx(0.1, rel=0.11)


def test_calls_that_the_second_wins_do_not_make_others_seem_quick() -> None:
    hedged = Hedged(HedgeOptions(budget=1.0))
    for turn in range(4000):
        pending = hedged.begin()
        slow = turn % 10 == 0
        hedged.world.clock.advance(0.5 if slow else 0.010)
        hedged.pool.pendings[-1].resolve(SECOND)
        assert pending.done
    delay_s = hedged.hedge.state()["delay_s"]
    assert isinstance(delay_s, float)
    assert delay_s == pytest.approx(0.5, rel=0.11)


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("streams_in", [True, False])
def test_only_idempotent_functions_and_no_streams(idempotent: bool, streaming: bool, streams_in: bool) -> None:  # noqa: FBT001 - cases
    hedged = Hedged()
    call = call_of(aim(idempotent=idempotent, streaming=streaming))
    if streams_in:
        call.input = InputOfNothing()
    run(hedged.service, call)
    hedged.world.clock.advance(1)
    assert len(hedged.attempts) == 1 + (idempotent and not streaming and not streams_in)


class InputOfNothing:
    async def __aiter__(self):  # noqa: ANN204 - never iterated
        for each in ():
            yield each


def test_second_attempts_are_a_share_of_the_calls() -> None:
    hedged = Hedged(HedgeOptions(budget=0.05, percentile=50))
    for turn in range(1000):
        pending = hedged.begin()
        hedged.world.clock.advance(0.050 if turn % 3 == 0 else 0.010)
        pending.resolve(FIRST)
    extra = len(hedged.attempts) - 1000
    assert 50 <= extra <= 1040 * 0.05 + 3
    assert hedged.hedge.counts["budget_empty"]
    assert hedged.clean()


def test_a_fault_before_the_delay_is_the_answer() -> None:
    hedged = Hedged()
    pending = hedged.begin()
    hedged.attempts[0].fail(NotFound("no"))
    assert isinstance(pending.fault, NotFound)
    assert not pending.held
    hedged.world.clock.advance(1)
    assert len(hedged.attempts) == 1
    assert hedged.clean()


def test_a_fault_of_the_first_waits_for_the_second() -> None:
    hedged, seen = Hedged(), list[Pending]()
    pending = hedged.late()
    pending.then(seen.append)
    hedged.attempts[0].fail(Unavailable("gone"))
    assert not seen
    hedged.attempts[1].resolve(SECOND)
    assert seen == [pending]
    assert pending.result() is SECOND
    assert hedged.hedge.counts["won"] == 1
    assert hedged.clean()


def test_a_fault_of_the_second_leaves_the_first_alone() -> None:
    hedged = Hedged()
    pending = hedged.late()
    hedged.attempts[1].fail(Unavailable("gone"))
    assert not pending.done
    hedged.attempts[0].resolve(FIRST)
    assert pending.result() is FIRST
    assert hedged.clean()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_where_both_fail_the_first_stands(order: tuple[int, int]) -> None:
    hedged, faults = Hedged(), (Internal("of the first"), Internal("of the second"))
    pending = hedged.late()
    for place in order:
        hedged.attempts[place].fail(faults[place])
    assert pending.fault is faults[0]
    assert not pending.held
    assert hedged.clean()


@pytest.mark.parametrize("failed", [False, True])
def test_a_caller_that_leaves_cancels_both(failed: bool) -> None:  # noqa: FBT001 - cases
    hedged = Hedged()
    pending = hedged.late()
    if failed:
        hedged.attempts[0].fail(Unavailable("gone"))
    pending.cancel()
    assert pending.fault is not None
    assert not pending.held
    assert hedged.pool.cancelled == 2 - failed
    assert hedged.clean()


def test_a_caller_that_leaves_before_the_delay_has_no_second_attempt() -> None:
    hedged = Hedged()
    first = hedged.begin()
    stubborn = hedged.attempts[0]
    stubborn.on_cancel = lambda: None
    first.cancel()
    hedged.world.clock.advance(1)
    assert len(hedged.attempts) == 1
    stubborn.fail(Cancelled("at last"))
    assert hedged.clean()


def test_no_second_attempt_begins_past_the_deadline() -> None:
    hedged = Hedged()
    hedged.begin(deadline=hedged.world.now() + 0.005)
    hedged.world.clock.advance(1)
    assert len(hedged.attempts) == 1


def test_the_layers_around_it_do_not_take_its_win_for_a_caller_that_left() -> None:
    hedged, seen = Hedged(), list[tuple[bool, Reply | None]]()
    pending = hedged.late()
    pending.then(lambda settled: seen.append((settled.cancelled, settled.reply)))
    hedged.attempts[1].resolve(SECOND)
    assert seen == [(False, SECOND)]


def test_the_layers_inside_see_that_the_loser_was_cancelled() -> None:
    hedged, seen = Hedged(), list[Fault | None]()

    def inner(call: Call) -> Pending:
        pending = hedged.pool(call)
        pending.then(lambda settled: seen.append(settled.fault))
        return pending

    hedged.service = hedged.hedge(inner)
    hedged.late()
    hedged.attempts[1].resolve(SECOND)
    assert [type(fault) for fault in seen] == [type(None), Cancelled]


async def test_an_answer_does_not_wait_for_a_first_attempt_that_takes_its_time_to_stop() -> None:
    world, hold, begun_once, begun = World(), asyncio.Event(), asyncio.Event(), list[Call]()
    hedge = Hedge(HedgeOptions(), world.surroundings)

    async def serve(call: Call) -> Reply:
        begun.append(call)
        if len(begun) == SAMPLES_MIN + 1:
            begun_once.set()
            try:
                await hold.wait()
            except asyncio.CancelledError:
                await hold.wait()
                raise
        world.clock.advance(0.01)
        return SECOND

    service = hedge(serve)
    for _ in range(SAMPLES_MIN):
        await service(call_of(TARGET))
    waiting = service(call_of(TARGET))
    await begun_once.wait()
    world.clock.advance(0.02)
    assert (await asyncio.wait_for(asyncio.ensure_future(result(waiting)), 5)) is SECOND  # pyright: ignore[reportArgumentType] - a Pending
    hold.set()


async def result(pending: Pending) -> Reply:
    return await pending


def test_a_call_that_has_ended_is_not_kept_until_its_second_attempt_would_begin() -> None:
    hedged = Hedged(HedgeOptions(delay_min_s=100.0))
    hedged.begin()
    call = CallOfAnyone(TARGET, b"{}")
    pending = run(hedged.service, call)
    pending.resolve(ReplyToAnyone(b"1"))
    gone = weakref.ref(call), weakref.ref(pending.result())
    hedged.pool.calls.clear()
    hedged.pool.pendings.clear()
    del call, pending
    assert [each() for each in gone] == [None, None]
    assert sys.getsizeof(hedged.hedge._line) < 10_000  # pyright: ignore[reportPrivateUsage] - what it keeps


class CallOfAnyone(Call):
    """A call that can be referred to weakly."""


class ReplyToAnyone(Reply):
    """A reply that can be referred to weakly."""


def test_a_reply_that_streams_after_all_is_passed_on() -> None:
    hedged, items = Hedged(), Items(1)
    pending = hedged.late()
    hedged.attempts[0].resolve(Reply(b"", items=items))
    assert pending.result().items is items
    assert hedged.clean()


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from(["reply", "fault", "leave", "wait"]), st.integers(0, 30)), min_size=1, max_size=60
    ),
    st.integers(0, 2**32),
)
def test_whatever_happens_every_call_ends_once_and_nothing_is_left(moves: list[tuple[str, int]], seed: int) -> None:
    hedged, chance, ended = Hedged(HedgeOptions(budget=1.0)), random.Random(seed), list[Pending]()
    callers: list[Pending] = []
    for word, number in moves:
        callers.append(hedged.begin())
        callers[-1].then(ended.append)
        running = [each for each in hedged.attempts if not each.done]
        chosen = running[number % len(running)] if running else None
        if word == "wait":
            hedged.world.clock.advance(number / 1000)
        elif word == "leave":
            callers[number % len(callers)].cancel()
        elif chosen is not None and word == "reply":
            chosen.resolve(Reply(b""))
        elif chosen is not None:
            chosen.fail(WorkerLost("gone"))
    hedged.world.clock.advance(0.02)
    for pending in callers if chance.random() < 0.5 else hedged.attempts:
        pending.cancel()
    assert len(ended) == len(callers)
    assert all(pending.done and not pending.held for pending in callers)
    assert hedged.clean()
