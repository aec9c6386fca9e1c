from __future__ import annotations

from dragoman.core.call import Call, Ties, callers_of
from dragoman.core.target import Target


def call_of(caller: Call | None = None) -> Call:
    call = Call(Target("s.f", "s", "f", 0, 1.0), b"")
    if caller is not None:
        call.ties = Ties(caller)
    return call


def test_a_call_from_outside_is_made_for_no_other() -> None:
    outside = call_of()
    assert callers_of(outside) == []
    outside.ties = Ties()
    assert callers_of(outside) == []


def test_the_callers_of_a_call_come_nearest_first() -> None:
    first = call_of()
    second = call_of(first)
    third = call_of(second)
    assert callers_of(third) == [second, first]
    assert callers_of(second) == [first]


def test_a_call_that_is_handed_over_was_not_sent_itself() -> None:
    call = call_of()
    call.hand_over(5.0)
    assert call.dispatched_at < 0
    call.dispatched_at = 7.0
    call.hand_over(8.0)
    assert call.dispatched_at == 7.0
