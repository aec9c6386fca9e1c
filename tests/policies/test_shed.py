import pytest
from hypothesis import settings
from hypothesis.stateful import invariant

from dragoman.core.call import Call, Priority
from dragoman.core.fault import DeadlineExceeded, Internal, Overloaded, Started
from dragoman.core.service import Pending, settle
from dragoman.policies.held import HeldStream
from dragoman.policies.shed import BURST_S, SAMPLES_MIN, STRIDE_MAX, WINDOW_S, Shed, ShedOptions
from dragoman.policies.surroundings import Surroundings
from dragoman.testing.clock import ManualClock
from tests.policies.counter import Counter, Seen, offer
from tests.policies.crowd import Crowd, Desk, Items, at_once, call_of, surroundings

CRITICAL, NORMAL, BATCH = Priority
TEN = ShedOptions(least=10, most=10, first=10, batch=0.5)


class Guarded:
    """Load shedding around a desk."""

    def __init__(self, options: ShedOptions = TEN) -> None:
        self.clock = ManualClock()
        self.desk = Desk()
        self.layer = Shed(options, surroundings(self.clock))
        self.service = self.layer(self.desk)

    def call(self, priority: int = NORMAL) -> Pending:
        return settle(self.service(call_of("", priority)))

    def calls(self, count: int, priority: int = NORMAL) -> int:
        """How many of so many were let in."""
        return sum(not self.call(priority).done for _ in range(count))

    def window(self, latency_s: float, count: int = SAMPLES_MIN, work_s: float | None = None) -> None:
        """One window of calls that all take so long, and work for less."""
        calls = [call_of() for _ in range(count)]
        for call in calls:
            self.service(call)
        self.clock.advance(latency_s if work_s is None else latency_s - work_s)
        for call in calls:
            call.dispatched_at = self.clock.monotonic() if work_s is not None else 0.0
        self.clock.advance(work_s or 0.0)
        self.desk.answer_all()
        self.clock.advance(max(WINDOW_S - latency_s, 0.0))

    @property
    def limit(self) -> float:
        limit = self.layer.state()["limit"]
        assert isinstance(limit, float)
        return limit


def test_each_priority_may_fill_its_share_and_the_rest_is_refused() -> None:
    guarded = Guarded()
    assert guarded.calls(20, BATCH) == 5
    assert guarded.calls(20, NORMAL) == 9
    assert guarded.calls(20, CRITICAL) == 10
    assert guarded.layer.in_flight == 24
    assert guarded.layer.counts == {"refused_critical": 10, "refused_normal": 11, "refused_batch": 15}
    guarded.desk.answer_all()
    assert guarded.layer.in_flight == 0


def test_what_matters_less_is_no_reason_to_refuse_and_what_matters_more_is() -> None:
    guarded = Guarded()
    assert guarded.calls(4, CRITICAL) + guarded.calls(5, NORMAL) == 9
    assert (guarded.calls(1, NORMAL), guarded.calls(1, BATCH), guarded.calls(1, CRITICAL)) == (0, 0, 1)


@pytest.mark.parametrize(
    ("priority", "says"),
    [
        (CRITICAL, "it takes 10 calls at a time (shed)"),
        (NORMAL, "10 calls at a time, of which normal ones may fill 9 (shed.normal)"),
        (BATCH, "of which batch ones may fill 5 (shed.batch)"),
    ],
)
def test_a_refusal_says_who_refused_and_what_to_do(priority: Priority, says: str) -> None:
    guarded = Guarded()
    guarded.calls(10, priority)
    fault = guarded.call(priority).fault
    assert type(fault) is Overloaded, "ingresses answer this very class quickly"
    assert says in fault.detail
    assert (fault.started, fault.retry_after_s, fault.function) == (Started.NO, 1.0, "s.f")


class CountingClock(ManualClock):
    """A clock that counts how often it is read by others."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def monotonic(self) -> float:
        self.reads += 1
        return super().monotonic()


def test_of_many_calls_some_are_timed_and_when_they_become_few_all_are() -> None:
    clock, desk = CountingClock(), Desk()
    service = Shed(ShedOptions(first=20), surroundings(clock))(desk)

    def reads(calls: int, every_s: float) -> int:
        before = clock.reads
        for _ in range(calls):
            service(call_of())
            clock.advance(every_s)
            desk.answer_all()
        return clock.reads - before

    assert reads(20_000, 0.0001) < 20_000
    assert reads(1_600, 0.0001) <= 2 * 1_600 / STRIDE_MAX + 2
    reads(STRIDE_MAX, 1.0)
    assert reads(10, 1.0) == 20


def test_a_short_burst_of_critical_calls_is_let_in_and_a_lasting_one_is_not() -> None:
    guarded = Guarded(ShedOptions(least=4, most=20, first=4))
    guarded.clock.advance(5)
    assert guarded.calls(6, CRITICAL) == 6
    guarded.clock.advance(0.6 * BURST_S)
    assert guarded.calls(2, CRITICAL) == 2
    for _ in range(10):
        guarded.clock.advance(0.6 * BURST_S)
        assert guarded.calls(2, CRITICAL) == 0
    guarded.desk.answer_all()
    assert guarded.calls(6, CRITICAL) == 4, "too soon"
    guarded.desk.answer_all()
    guarded.clock.advance(1.1 * BURST_S)
    assert guarded.calls(25, CRITICAL) == 20, "never past the greatest limit"


def test_however_low_the_limit_each_priority_may_have_one() -> None:
    guarded = Guarded(ShedOptions(least=1, most=1, first=1))
    assert (guarded.calls(2, BATCH), guarded.calls(2, NORMAL), guarded.calls(2, CRITICAL)) == (1, 1, 1)


def test_latency_counts_with_the_line_and_the_work_alone_is_the_measure() -> None:
    guarded = Guarded(ShedOptions(first=20))
    for _ in range(5):
        guarded.window(0.1, 16, work_s=0.1)
    assert guarded.limit > 20
    grown = guarded.limit
    for _ in range(200):
        guarded.window(0.4, 20, work_s=0.1)
    assert guarded.limit < grown
    assert guarded.layer.state()["usual_latency"] == pytest.approx(0.1)


def test_failures_say_nothing_about_latency_but_running_out_of_time_does() -> None:
    guarded = Guarded(ShedOptions(first=20))
    for fault in (Internal("broken"), Overloaded("full"), DeadlineExceeded("late")):
        assert guarded.layer.state()["usual_latency"] == 0
        for _ in range(SAMPLES_MIN):
            guarded.call()
        guarded.clock.advance(2.0)
        while guarded.desk.open:
            guarded.desk.fail(next(iter(guarded.desk.open)), fault)
    assert guarded.layer.state()["usual_latency"] == 2.0


def test_a_stream_is_late_by_its_beginning_and_in_flight_until_its_end() -> None:
    guarded = Guarded(ShedOptions(first=20))
    streams: list[HeldStream] = []
    for _ in range(SAMPLES_MIN):
        pending = guarded.call()
        guarded.clock.advance(0.02)
        guarded.desk.reply(guarded.desk.begun[-1], Items())
        assert pending.reply is not None
        assert isinstance(pending.reply.items, HeldStream)
        streams.append(pending.reply.items)
    guarded.clock.advance(1000)
    assert guarded.layer.state()["usual_latency"] == pytest.approx(0.02)
    assert guarded.layer.in_flight == SAMPLES_MIN
    for stream in streams:
        at_once(stream.aclose())
    assert guarded.layer.in_flight == 0


def test_a_service_that_raises_at_once_counts_nothing() -> None:
    guarded = Guarded()

    def broken(_: Call) -> Pending:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        guarded.layer(broken)(call_of())
    assert guarded.layer.in_flight == 0


def test_around_another_service_it_goes_on_with_what_it_knows() -> None:
    guarded = Guarded()
    guarded.calls(9)
    assert isinstance(settle(guarded.layer(Desk())(call_of())).fault, Overloaded)


# Under load


def overload(servers: int, times: int) -> tuple[float, Seen, Seen, Shed]:
    """Goodput over capacity; what critical calls saw, with nobody else and with all; at so many times the capacity.

    Critical calls are a tenth of five times the capacity; at more they go on as they were.
    """
    capacity_s = servers / 0.005
    critical_s = capacity_s / 2
    rest_s = times * capacity_s - critical_s
    mixed = {CRITICAL: critical_s, NORMAL: rest_s * 2 / 3, BATCH: rest_s / 3}
    clock = ManualClock()
    alone = offer(clock, Counter(clock, servers, 0.005), {CRITICAL: critical_s}, 2000 / critical_s)[CRITICAL]
    clock = ManualClock()
    shed = Shed(ShedOptions(), surroundings(clock))
    service = shed(Counter(clock, servers, 0.005))
    offer(clock, service, mixed, 4)
    seconds = 2000 / critical_s
    seen = offer(clock, service, mixed, seconds)
    goodput = sum(len(each.latencies_s) for each in seen.values()) / seconds / capacity_s
    return goodput, alone, seen[CRITICAL], shed


@pytest.mark.parametrize(("servers", "times"), [(1, 5), (1, 20), (4, 5), (4, 20)])
def test_far_beyond_capacity_critical_calls_hardly_notice_and_the_servers_are_busy(servers: int, times: int) -> None:
    goodput, alone, critical, shed = overload(servers, times)
    assert goodput >= 0.9
    assert critical.success >= 0.99
    assert critical.p99_s <= 2 * alone.p99_s
    limit = shed.state()["limit"]
    assert isinstance(limit, float)
    assert servers <= limit <= 8 + 4 * servers


def test_within_capacity_nothing_is_refused() -> None:
    clock = ManualClock()
    shed = Shed(ShedOptions(), surroundings(clock))
    seen = offer(clock, shed(Counter(clock, 4, 0.005)), {CRITICAL: 100, NORMAL: 400, BATCH: 100}, 5)
    assert [each.refused for each in seen.values()] == [0, 0, 0]


# Whoever leaves, whenever


class ShedCrowd(Crowd):
    layer: Shed

    def make(self, world: Surroundings) -> Shed:
        return Shed(ShedOptions(least=2, most=6, first=4), world)

    def held(self) -> int:
        return self.layer.in_flight

    @invariant()
    def all_are_refused_or_inside(self) -> None:
        assert sum(not pending.done for pending in self.pendings.values()) == len(self.desk.open)


TestShedCrowd = ShedCrowd.TestCase
TestShedCrowd.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
