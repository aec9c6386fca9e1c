from hypothesis import given
from hypothesis import strategies as st

from dragoman.queues.offsets import Offsets


def delivered(*offsets: int) -> Offsets:
    found = Offsets()
    for offset in offsets:
        assert found.deliver(offset)
    return found


def test_the_position_passes_what_is_done_and_nothing_else() -> None:
    offsets = delivered(3, 4, 7)
    assert offsets.position() is None
    offsets.finish(4)
    assert offsets.position() is None
    offsets.finish(3)
    assert offsets.position() == 5
    offsets.finish(7)
    assert offsets.position() == 8


def test_what_is_committed_is_forgotten() -> None:
    offsets = delivered(1, 2)
    offsets.finish(1)
    offsets.committed(2)
    assert len(offsets) == 1
    assert offsets.held
    offsets.finish(2)
    assert not offsets.held


def test_what_is_in_hand_or_done_is_not_delivered_again_and_what_was_given_back_is() -> None:
    offsets = delivered(1, 2, 3)
    offsets.finish(2)
    offsets.give_back(3)
    assert not offsets.holds(3)
    assert [offsets.deliver(offset) for offset in (1, 2, 3, 3)] == [False, False, True, False]
    offsets.finish(1)
    assert offsets.position() == 3, "the one that was given back is in hand again"


def test_a_log_that_begins_anew_is_another_one() -> None:
    offsets = delivered(5, 6)
    offsets.finish(5)
    offsets.committed(6)
    assert offsets.deliver(0)
    assert not offsets.holds(6)
    offsets.finish(0)
    assert offsets.position() == 1


@given(st.lists(st.integers(0, 30), unique=True), st.sets(st.integers(0, 30)), st.data())
def test_nothing_before_the_position_is_ever_in_hand(offsets: list[int], done: set[int], data: st.DataObject) -> None:
    kept = delivered(*sorted(offsets))
    for offset in data.draw(st.permutations(sorted(done & set(offsets)))):
        kept.finish(offset)
        position = kept.position()
        if position is not None:
            kept.committed(position)
            assert not [each for each in offsets if each < position and kept.holds(each)]
