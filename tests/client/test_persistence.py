import pytest

from dragoman.client.persistence import APART_S, AWAY_S_MAX, POLL_S, Persistence, broken_off, may_pass
from dragoman.core.fault import (
    DeadlineExceeded,
    Draining,
    Fault,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Started,
    Unavailable,
)
from dragoman.testing.clock import ManualClock

AWAY = Unavailable("cannot connect", started=Started.NO)


def test_questions_are_held_as_long_as_the_caller_has_time() -> None:
    clock = ManualClock()
    persistence = Persistence(30, clock)
    assert (persistence.poll_s(), persistence.left_s()) == (POLL_S, 30)
    clock.advance(25)
    assert persistence.poll_s() == 5
    assert not persistence.over
    clock.advance(6)
    assert (persistence.poll_s(), persistence.left_s(), persistence.over) == (0, 0, True)
    endless = Persistence(None, clock)
    assert (endless.poll_s(), endless.left_s(), endless.over) == (POLL_S, None, False)


def test_a_host_that_is_away_is_asked_until_the_callers_time_is_up() -> None:
    clock = ManualClock()
    persistence = Persistence(1000, clock)
    waited_s = 0.0
    with pytest.raises(Unavailable):  # noqa: PT012 - the last question of many is the one that raises
        while waited_s <= 1001:
            waited_s += (pause_s := persistence.pause_s(AWAY))
            assert pause_s <= 1
            clock.advance(pause_s)
    assert waited_s == pytest.approx(1000)


def test_without_a_time_of_its_own_it_gives_up_when_the_host_was_away_for_long() -> None:
    clock = ManualClock()
    persistence = Persistence(None, clock)
    persistence.pause_s(AWAY)
    clock.advance(AWAY_S_MAX - 1)
    persistence.pause_s(AWAY)
    persistence.answered()
    clock.advance(10)
    persistence.pause_s(AWAY)
    clock.advance(AWAY_S_MAX)
    with pytest.raises(Unavailable):
        persistence.pause_s(AWAY)


def test_a_host_that_says_when_is_asked_then() -> None:
    persistence = Persistence(None, ManualClock())
    assert persistence.pause_s(ResourceExhausted("busy", retry_after_s=7)) == 7


@pytest.mark.parametrize("fault", [NotFound("no"), InvalidArgument("no"), Draining("this connection is closed")])
def test_what_does_not_pass_is_raised_at_once(fault: Fault) -> None:
    assert not may_pass(fault)
    with pytest.raises(type(fault)):
        Persistence(None, ManualClock()).pause_s(fault)


def test_a_host_that_drains_and_one_that_is_silent_may_be_back() -> None:
    draining = Draining("the host is stopping")
    draining.remote = True
    assert may_pass(draining)
    assert may_pass(DeadlineExceeded("the host did not answer"))
    assert may_pass(broken_off("x"))


def test_answers_that_come_too_soon_are_not_asked_for_again_at_once() -> None:
    clock = ManualClock()
    persistence = Persistence(10, clock)
    asked_at = persistence.now()
    clock.advance(0.05)
    assert persistence.early_s(asked_at) == pytest.approx(APART_S - 0.05)
    clock.advance(5)
    assert persistence.early_s(asked_at) == 0
