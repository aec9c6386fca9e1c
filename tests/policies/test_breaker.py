import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dragoman.core.call import Call, Reply
from dragoman.core.fault import BY_CODE, Code, DeadlineExceeded, Fault, Internal, Overloaded, Started, Unavailable
from dragoman.core.service import Pending, Service
from dragoman.policies import breaker as module
from dragoman.policies.breaker import (
    PROBE_S,
    TRANSITIONS,
    USER,
    Breaker,
    BreakerOptions,
    IllegalTransition,
    State,
    Step,
    move,
)
from dragoman.policies.window import BUCKETS
from tests.policies.world import Items, Pool, World, aim, call_of, run

REPLY = Reply(b"1")


def broken() -> Fault:
    return Internal("oops", started=Started.YES)


class Guarded:
    """A breaker around calls that the test ends."""

    def __init__(self, **options: Any) -> None:
        self.world = World()
        self.breaker = Breaker(BreakerOptions(**options), self.world.surroundings)
        self.pool = Pool()
        self.service: Service = self.breaker(self.pool)

    def begin(self) -> Pending:
        return run(self.service, call_of())

    def end(self, outcome: Fault | None = None) -> Pending:
        """A call that ends at once, unless it is refused."""
        pending = self.begin()
        if not pending.done:
            self.give(pending, outcome)
        return pending

    def give(self, pending: Pending, outcome: Fault | None = None) -> None:
        if outcome is None:
            pending.resolve(Reply(b"1"))
        else:
            pending.fail(outcome)

    @property
    def state(self) -> object:
        return self.breaker.state()["state"]

    def trip(self) -> None:
        while self.state == "closed":
            self.end(broken())


# The table


def test_the_note_of_the_module_draws_the_table() -> None:
    assert module.__doc__ is not None
    lines = [line.split() for line in module.__doc__.splitlines() if re.match(r" {4}\w", line)]
    head, *rows = lines
    assert [Step(word) for word in head[1:]] == list(Step)
    drawn = {
        State(row[0]): {
            Step(step): State(target) for step, target in zip(head[1:], row[1:], strict=True) if target != "-"
        }
        for row in rows
    }
    assert drawn == TRANSITIONS


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Step)
def test_a_step_that_the_table_has_not_raises(state: State, step: Step) -> None:
    if step in TRANSITIONS[state]:
        assert move(state, step) is TRANSITIONS[state][step]
    else:
        with pytest.raises(IllegalTransition, match=f"{state} cannot {step}"):
            move(state, step)


# When it opens


@pytest.mark.parametrize("slow_s", [0.0, 1.0])
def test_it_opens_at_its_rate_and_not_before_so_many_calls(slow_s: float) -> None:
    guarded = Guarded(calls_min=20, failure_rate=0.5, slow_s=slow_s)
    for _ in range(9):
        guarded.end()
    for _ in range(10):
        guarded.end(broken())
    assert guarded.state == "closed"
    guarded.end()
    assert guarded.state == "open"
    assert guarded.breaker.state()["because"] == "10 of 20 calls failed"


def test_below_its_rate_it_stays_closed() -> None:
    guarded = Guarded(failure_rate=0.5)
    for _ in range(200):
        guarded.end()
        guarded.end(broken())
        guarded.end()
    assert guarded.state == "closed"


def test_failures_long_ago_do_not_count() -> None:
    guarded = Guarded(calls_min=10, window_s=10)
    for _ in range(9):
        guarded.end(broken())
    guarded.world.clock.advance(11)
    guarded.end(broken())
    assert guarded.state == "closed"
    assert guarded.breaker.state()["calls"] == 1


def test_a_rate_of_one_needs_all_to_fail() -> None:
    guarded = Guarded(calls_min=5, failure_rate=1.0)
    guarded.end()
    for _ in range(50):
        guarded.end(broken())
    assert guarded.state == "closed"
    guarded.world.clock.advance(20)
    guarded.trip()
    assert guarded.breaker.state()["because"] == "5 of 5 calls failed"


@pytest.mark.parametrize("code", sorted(USER))
def test_what_is_wrong_with_the_call_is_not_the_functions_fault(code: Code) -> None:
    guarded = Guarded(calls_min=2)
    for started in (Started.YES, Started.NO) * 20:
        guarded.end(BY_CODE[code]("no", started=started))
    assert guarded.state == "closed"
    assert guarded.breaker.state()["failed"] == 0


@pytest.mark.parametrize("code", sorted(set(Code) - USER))
def test_every_other_fault_is(code: Code) -> None:
    guarded = Guarded(calls_min=2)
    for _ in range(2):
        guarded.end(BY_CODE[code]("no", started=Started.YES))
    assert guarded.state == "open"


def test_a_full_queue_says_nothing_of_the_function() -> None:
    guarded = Guarded(calls_min=2)
    for _ in range(50):
        guarded.end(Overloaded("full"))
    assert guarded.breaker.state() == {"state": "closed", "calls": 0, "failed": 0, "slow": 0}


@pytest.mark.parametrize("outcome", [None, Fault.invalid_argument("no")])
def test_slow_calls_open_it_too(outcome: Fault | None) -> None:
    guarded = Guarded(calls_min=4, slow_s=1.0, slow_rate=0.5)
    for seconds in (0.9, 1.0, 0.1, 5.0):
        pending = guarded.begin()
        guarded.world.clock.advance(seconds)
        guarded.give(pending, outcome)
    assert guarded.state == "open"
    assert guarded.breaker.state()["because"] == "2 of 4 calls took 1s or longer"


def test_a_caller_that_left_because_it_was_slow_counts_as_slow() -> None:
    guarded = Guarded(calls_min=3, slow_s=1.0)
    for seconds in (0.5, 2, 2, 2):
        pending = guarded.begin()
        guarded.world.clock.advance(seconds)
        pending.cancel()
    assert guarded.state == "open"


@pytest.mark.parametrize("slow_s", [0.0, 5.0])
async def test_a_stream_counts_when_it_ends(slow_s: float) -> None:
    guarded = Guarded(calls_min=4, failure_rate=0.75, slow_s=slow_s, window_s=1000)
    for fault in (broken(), None, broken(), broken()):
        pending = guarded.begin()
        pending.resolve(Reply(b"", items=Items(1, fault)))
        items = pending.result().items
        assert items is not None
        calls = guarded.breaker.state()["calls"]
        guarded.world.clock.advance(6)
        assert await anext(aiter(items)) == b"1"
        assert guarded.breaker.state()["calls"] == calls
        try:
            assert not [item async for item in items]
        except Internal:
            assert fault
        await items.aclose()
        assert guarded.breaker.state()["slow"] == 0
    assert guarded.breaker.state()["state"] == "open"


# Open, and half open


def test_an_open_one_refuses_and_says_when_to_come_again() -> None:
    guarded = Guarded(open_s=5.0)
    guarded.trip()
    calls = len(guarded.pool.calls)
    guarded.world.clock.advance(2)
    fault = guarded.begin().fault
    assert isinstance(fault, Unavailable)
    assert (fault.started, fault.retry_after_s, fault.function) == (Started.NO, 3.0, "s.f")
    assert fault.retryable
    assert "breaker is open (20 of 20 calls failed)" in fault.detail
    assert len(guarded.pool.calls) == calls
    assert guarded.breaker.counts["refused"] == 1
    assert guarded.breaker.state()["open_s"] == 3.0


def test_as_many_good_probes_in_a_row_close_it() -> None:
    guarded = Guarded(open_s=5.0, probes=3)
    guarded.trip()
    guarded.world.clock.advance(5)
    for _ in range(2):
        guarded.end()
        assert guarded.state == "half_open"
    guarded.end()
    assert guarded.state == "closed"
    assert guarded.breaker.state()["calls"] == 0
    assert guarded.breaker.counts == {"opened": 1, "closed": 1, "probed": 3, "refused": 0}


@pytest.mark.parametrize("fault", [broken(), DeadlineExceeded("late")])
def test_one_bad_probe_opens_it_again(fault: Fault) -> None:
    guarded = Guarded(open_s=5.0, probes=3)
    guarded.trip()
    guarded.world.clock.advance(5)
    guarded.end()
    guarded.end(fault)
    assert guarded.state == "open"
    assert isinstance(guarded.begin().fault, Unavailable)
    guarded.world.clock.advance(5)
    for _ in range(3):
        guarded.end()
    assert guarded.state == "closed"


def test_a_slow_probe_is_no_good_one() -> None:
    guarded = Guarded(open_s=5.0, slow_s=1.0)
    guarded.trip()
    guarded.world.clock.advance(5)
    probe = guarded.begin()
    guarded.world.clock.advance(1)
    guarded.give(probe)
    assert guarded.state == "open"


def test_a_fault_of_the_callers_is_a_good_answer_and_what_never_began_is_none() -> None:
    guarded = Guarded(open_s=5.0, probes=2)
    guarded.trip()
    guarded.world.clock.advance(5)
    for _ in range(10):
        guarded.end(Overloaded("full"))
        guarded.end(Fault.of(Code.INVALID_ARGUMENT, "no"))
    assert guarded.state == "half_open"
    for _ in range(2):
        guarded.end(Fault.not_found("no such row"))
    assert guarded.state == "closed"


def test_of_a_thousand_callers_at_once_only_the_probes_get_in() -> None:
    guarded = Guarded(open_s=5.0, probes=3)
    guarded.trip()
    before = len(guarded.pool.calls)
    guarded.world.clock.advance(5)
    pendings = [guarded.begin() for _ in range(1000)]
    assert len(guarded.pool.calls) - before == guarded.pool.inside == 3
    refused = [pending.fault for pending in pendings if pending.fault]
    assert len(refused) == 997
    assert {type(fault) for fault in refused} == {Unavailable}
    assert all(fault.started is Started.NO and fault.retry_after_s == PROBE_S for fault in refused)
    for pending in pendings[:3]:
        guarded.give(pending)
    assert guarded.state == "closed"
    assert not guarded.begin().done


def test_a_probe_whose_caller_leaves_gives_its_place_back() -> None:
    guarded = Guarded(open_s=5.0, probes=1)
    guarded.trip()
    guarded.world.clock.advance(5)
    for _ in range(20):
        probe = guarded.begin()
        assert isinstance(guarded.begin().fault, Unavailable)
        probe.cancel()
        assert guarded.state == "half_open"
    guarded.end()
    assert guarded.state == "closed"


def test_a_probe_whose_service_raises_gives_its_place_back() -> None:
    world = World()
    breaker = Breaker(BreakerOptions(probes=1, calls_min=1), world.surroundings)

    def serve(call: Call) -> Pending:
        if breaker.state()["state"] == "closed":
            return Pending.failed(broken())
        raise ZeroDivisionError

    service = breaker(serve)
    run(service, call_of())
    world.clock.advance(5)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            run(service, call_of())


async def test_a_probe_that_streams_holds_its_place_until_the_end() -> None:
    guarded = Guarded(open_s=5.0, probes=1)
    guarded.trip()
    guarded.world.clock.advance(5)
    probe = guarded.begin()
    probe.resolve(Reply(b"", items=Items(1)))
    assert isinstance(guarded.begin().fault, Unavailable)
    items = probe.result().items
    assert items is not None
    assert [item async for item in items] == [b"1"]
    assert guarded.state == "closed"


def test_what_ends_late_counts_for_nothing_but_its_place() -> None:
    guarded = Guarded(open_s=5.0, probes=2, calls_min=2)
    before = guarded.begin()
    guarded.trip()
    guarded.give(before)
    guarded.world.clock.advance(5)
    stuck, bad = guarded.begin(), guarded.begin()
    guarded.give(bad, broken())
    guarded.world.clock.advance(5)
    assert guarded.state == "open"
    guarded.begin()
    assert isinstance(guarded.begin().fault, Unavailable), "at most two inside, whenever they came"
    guarded.give(stuck, broken())
    assert guarded.state == "half_open"
    assert not guarded.begin().done


@pytest.mark.parametrize("slow_s", [0.0, 1000.0])
def test_what_was_begun_before_it_opened_does_not_count_when_it_is_closed_again(slow_s: float) -> None:
    guarded = Guarded(slow_s=slow_s)
    good, bad = guarded.begin(), guarded.begin()
    guarded.breaker.force("closed")
    guarded.breaker.force(None)
    guarded.give(good)
    guarded.give(bad, broken())
    assert guarded.breaker.state() == {"state": "closed", "calls": 0, "failed": 0, "slow": 0}


async def test_services_that_are_coroutines_are_guarded_too() -> None:
    async def serve(call: Call) -> Reply:
        raise broken()

    world = World()
    breaker = Breaker(BreakerOptions(calls_min=2), world.surroundings)
    service = breaker(serve)
    for _ in range(2):
        with pytest.raises(Internal):
            await service(call_of())
    with pytest.raises(Unavailable):
        await service(call_of())
    world.clock.advance(5)
    with pytest.raises(Internal):
        await service(call_of())


# An operator


def test_an_operator_may_hold_it_open() -> None:
    guarded = Guarded()
    guarded.breaker.force("open")
    fault = guarded.begin().fault
    assert isinstance(fault, Unavailable)
    assert "operator" in fault.detail
    guarded.world.clock.advance(1000)
    assert guarded.begin().fault
    guarded.breaker.force("open")
    guarded.breaker.force(None)
    assert guarded.state == "half_open"
    for _ in range(3):
        guarded.end()
    assert guarded.state == "closed"


def test_an_operator_may_hold_it_closed() -> None:
    guarded = Guarded(calls_min=2)
    guarded.trip()
    guarded.breaker.force("closed")
    for _ in range(100):
        assert isinstance(guarded.end(broken()).fault, Internal)
    assert guarded.state == "forced_closed"
    guarded.breaker.force("open")
    assert isinstance(guarded.begin().fault, Unavailable)
    guarded.breaker.force("closed")
    guarded.breaker.force(None)
    assert guarded.state == "closed"
    guarded.breaker.force(None)
    assert guarded.state == "closed"
    guarded.trip()


@pytest.mark.parametrize("word", ["ajar", "", "half_open"])
def test_there_is_nothing_else_to_force(word: Any) -> None:
    with pytest.raises(ValueError, match="open or closed"):
        Guarded().breaker.force(word)


def test_it_goes_on_around_another_service_with_what_it_knows() -> None:
    guarded = Guarded()
    guarded.trip()
    other = Pool()
    assert isinstance(run(guarded.breaker(other), call_of(aim("s.g"))).fault, Unavailable)
    assert not other.calls


# Against a model that is slow and plain


OUTCOMES: dict[str, Callable[[], Fault] | None] = {
    "good": None,
    "bad": broken,
    "user": lambda: Fault.not_found("no"),
    "full": lambda: Overloaded("full"),
    "left": lambda: Fault.cancelled("left"),
}
WELL = {"good": True, "bad": False, "user": True, "full": None, "left": None}
SECONDS = 1.0
OPTIONS = BreakerOptions(
    window_s=BUCKETS * SECONDS, calls_min=4, failure_rate=0.5, slow_s=3.0, slow_rate=0.75, open_s=2.0, probes=2
)


class Model:
    """What a breaker should do, said without a thought for speed."""

    def __init__(self) -> None:
        self.state = "closed"
        self.era = 0
        self.ended: list[tuple[float, bool, bool]] = []
        self.opened_at = 0.0
        self.good = 0
        self.probes: set[int] = set()

    def enter(self, state: str) -> None:
        self.state, self.era, self.ended, self.good = state, self.era + 1, [], 0

    def begins(self, number: int, now: float) -> bool:
        if self.state == "open" and now >= self.opened_at + OPTIONS.open_s:
            self.enter("half_open")
        if self.state == "half_open" and len(self.probes) < OPTIONS.probes:
            self.probes.add(number)
            return True
        return self.state in ("closed", "forced_closed")

    def ends(self, number: int, era: int, word: str, took: float, now: float) -> None:
        self.probes.discard(number)
        well, slow = WELL[word], took >= OPTIONS.slow_s
        if era != self.era or (well is None and not slow):
            return
        if self.state == "half_open":
            if slow or well is False:
                self.trip(now)
            else:
                self.good += 1
                if self.good == OPTIONS.probes:
                    self.enter("closed")
        elif self.state == "closed":
            self.ended.append((now, well is False, slow))
            recent = self.recent(now)
            if len(recent) >= OPTIONS.calls_min and (
                sum(failed for _, failed, _ in recent) >= OPTIONS.failure_rate * len(recent)
                or sum(slow for _, _, slow in recent) >= OPTIONS.slow_rate * len(recent)
            ):
                self.trip(now)

    def recent(self, now: float) -> list[tuple[float, bool, bool]]:
        return [each for each in self.ended if int(each[0]) > int(now) - BUCKETS]

    def trip(self, now: float) -> None:
        self.enter("open")
        self.opened_at = now

    def force(self, word: str | None) -> None:
        if word is None:
            after = {"forced_open": "half_open", "forced_closed": "closed"}.get(self.state)
        else:
            after = f"forced_{word}" if self.state != f"forced_{word}" else None
        if after is not None:
            self.enter(after)


class BreakerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.guarded = Guarded(
            **{name: getattr(OPTIONS, name) for name in BreakerOptions.__dataclass_fields__},
        )
        self.model = Model()
        self.running: list[tuple[int, int, float, Pending]] = []
        self.number = 0

    @rule(times=st.integers(1, 6))
    def begin(self, times: int) -> None:
        for _ in range(times):
            self.number += 1
            now = self.guarded.world.now()
            allowed = self.model.begins(self.number, now)
            pending = self.guarded.begin()
            assert pending.done is not allowed
            if allowed:
                self.running.append((self.number, self.model.era, now, pending))
            else:
                assert isinstance(pending.fault, Unavailable)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), word=st.sampled_from(sorted(OUTCOMES)), times=st.integers(1, 6))
    def end(self, data: st.DataObject, word: str, times: int) -> None:
        for _ in range(min(times, len(self.running))):
            place = data.draw(st.integers(0, len(self.running) - 1))
            number, era, began_at, pending = self.running.pop(place)
            now = self.guarded.world.now()
            make = OUTCOMES[word]
            self.guarded.give(pending, make and make())
            self.model.ends(number, era, word, now - began_at, now)

    @rule(quarters=st.integers(1, 20))
    def wait(self, quarters: int) -> None:
        self.guarded.world.clock.advance(quarters * SECONDS / 4)

    @rule(word=st.sampled_from(["open", "closed", None]))
    def force(self, word: Any) -> None:
        self.guarded.breaker.force(word)
        self.model.force(word)

    @invariant()
    def same(self) -> None:
        assert self.guarded.state == self.model.state
        assert self.guarded.breaker.state()["calls"] == len(self.model.recent(self.guarded.world.now()))
        assert self.guarded.breaker.state().get("probing", len(self.model.probes)) == len(self.model.probes)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
