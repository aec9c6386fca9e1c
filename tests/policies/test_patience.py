from dragoman.core.deadline import NEVER
from dragoman.policies.patience import SLACK, Patience
from dragoman.testing.clock import ManualClock
from tests.policies.crowd import surroundings


def test_each_wait_ends_at_its_deadline_and_one_timer_serves_all() -> None:
    clock, ended = ManualClock(), list[str]()
    patience = Patience[str](surroundings(clock), ended.append)
    now = clock.monotonic()
    for name, after_s in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        patience.watch(name, now + after_s)
    assert patience.watch("never", NEVER) is None
    assert clock.timers == 1
    clock.advance(2.0)
    assert ended == ["a", "b"]
    clock.advance(1.0)
    assert (ended, len(patience), clock.timers) == (["a", "b", "c"], 0, 0)


def test_who_waits_no_more_is_forgotten_and_the_last_one_takes_the_timer_along() -> None:
    clock, ended = ManualClock(), list[str]()
    patience = Patience[str](surroundings(clock), ended.append)
    first = patience.watch("a", clock.monotonic() + 1)
    second = patience.watch("b", clock.monotonic() + 2)
    for entry in (first, first, None):
        patience.forget(entry)
    assert (len(patience), clock.timers) == (1, 1)
    patience.forget(second)
    assert (len(patience), clock.timers) == (0, 0)
    clock.advance(5)
    assert ended == []


def test_many_that_gave_up_take_no_more_room_than_those_that_wait() -> None:
    clock = ManualClock()
    patience = Patience[int](surroundings(clock), lambda _: None)
    patience.watch(-1, clock.monotonic() + 9)
    for number in range(4 * SLACK):
        patience.forget(patience.watch(number, clock.monotonic() + 10))
    assert patience.entries <= SLACK + 3


def test_what_is_expired_may_begin_another_wait() -> None:
    clock, ended = ManualClock(), list[str]()

    def again(name: str) -> None:
        ended.append(name)
        if len(ended) < 3:
            patience.watch(name + "'", clock.monotonic() + 1)

    patience = Patience[str](surroundings(clock), again)
    patience.watch("a", clock.monotonic() + 1)
    clock.advance(10)
    assert (ended, clock.timers) == (["a", "a'", "a''"], 0)
