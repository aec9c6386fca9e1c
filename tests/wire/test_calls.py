"""The books of calls made and taken, where the vectors do not reach: what this side must not send."""

from __future__ import annotations

import pytest

from dragoman.wire.calls import WAITING, Made, Reading, Taken, TakenRecord, Writing
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.state import CallState, IllegalTransition, Step


def test_a_call_lives_on_after_it_was_given_up_until_its_answer() -> None:
    made = Made()
    made.live[1] = WAITING
    made.control(1, Step.CANCEL)
    assert made.live == {1: CallState.CANCELLING}
    made.reply(1, Step.END, 0)
    assert made.live == {}


def test_a_call_that_is_not_live_cannot_be_cancelled() -> None:
    with pytest.raises(IllegalTransition):
        Made().control(1, Step.CANCEL)


def test_an_illegal_end_leaves_the_call_owed() -> None:
    taken = Taken()
    record = Writing(100)
    taken.live[1] = record
    taken.item(1, 10)
    with pytest.raises(IllegalTransition):
        taken.end(1, taken.live.pop(1), Step.END, 5)
    assert taken.live == {1: record}
    with pytest.raises(IllegalTransition):
        taken.end(1, taken.live.pop(1), Step.RETURN)
    assert taken.live == {1: record}


def test_an_item_waits_for_credit() -> None:
    taken = Taken()
    taken.live[1] = Writing(100)
    taken.item(1, 1000)
    with pytest.raises(IllegalTransition, match="without credit"):
        taken.item(1, 0)
    assert taken.control(1, Step.CREDIT, 1000)
    taken.item(1, 0)


def test_a_call_that_wants_one_reply_takes_no_item() -> None:
    taken = Taken()
    taken.live[1] = WAITING
    with pytest.raises(IllegalTransition):
        taken.item(1, 0)
    with pytest.raises(ProtocolFault, match="stream"):
        taken.control(1, Step.CREDIT, 1)


def test_what_comes_for_an_answered_call_is_dropped() -> None:
    assert not Taken().control(1, Step.CANCEL, 0)
    assert not Taken().control(1, Step.CREDIT, 5)


def test_only_a_stream_has_a_window() -> None:
    made = Made()
    made.live.update({1: WAITING, 2: Reading(100)})
    assert made.reading(2).granted == 100
    with pytest.raises(IllegalTransition):
        made.reading(1)


def test_an_answer_forgets_what_was_asked() -> None:
    taken = Taken()
    taken.live[1] = WAITING
    assert taken.control(1, Step.REVOKE, 0)
    taken.end(1, taken.live.pop(1), Step.RETURN)
    assert (taken.live, taken.asked) == ({}, {})


def test_a_call_answered_while_a_cancel_is_read_stays_answered() -> None:
    class Racing(dict[int, TakenRecord]):
        """Calls that another thread answers right after they are looked up."""

        def get(self, key: int, default: None = None) -> TakenRecord | None:  # pyright: ignore[reportIncompatibleMethodOverride] - one use
            found = super().get(key, default)
            self.pop(key, None)
            return found

    taken = Taken()
    taken.live = Racing({1: WAITING})
    assert not taken.control(1, Step.CANCEL, 0)
    assert (taken.live, taken.asked) == ({}, {})
