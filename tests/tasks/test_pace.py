import pytest

from dragoman.tasks.pace import CALLS_MIN, GROWTH, MEMORY_S, PART, TASKS_MIN, TURN_S, Pace
from dragoman.testing import ManualClock


class Host:
    """A host to which calls come."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.calls = 0
        self.pace = Pace(lambda: self.calls, self.clock.monotonic)

    def turn(self, calls: int) -> int | None:
        """A turn later, in which so many calls have come: what may be claimed."""
        self.clock.advance(TURN_S)
        self.calls += calls
        return self.pace.allowance()


def test_without_other_calls_there_is_no_bound() -> None:
    host = Host()
    assert host.pace.allowance() is None
    assert host.turn(0) is None
    assert host.turn(int(CALLS_MIN * TURN_S)) is None


def test_while_calls_come_tasks_are_a_part_of_them_and_some_go_on_in_any_case() -> None:
    host = Host()
    assert host.turn(10) == int(TASKS_MIN * TURN_S)
    assert host.turn(6400) == pytest.approx(6400 * PART, abs=1)


def test_what_was_claimed_is_taken_off_until_the_next_turn() -> None:
    host = Host()
    first = host.turn(100)
    assert first
    host.pace.claimed(first - 1)
    assert host.pace.allowance() == 1
    host.pace.claimed(1)
    assert host.pace.allowance() == 0
    assert host.pace.wait_s() == pytest.approx(TURN_S)
    assert host.turn(100) == first


def test_no_more_become_due_than_are_likely_to_begin() -> None:
    host = Host()
    assert host.pace.soon() is None
    of_turn = host.turn(6400)
    assert of_turn
    assert host.pace.soon() == int(TASKS_MIN * TURN_S)
    for begun, soon in ((10, 20), (20, 40), (1000, GROWTH * of_turn), (0, int(TASKS_MIN * TURN_S))):
        for _ in range(begun):
            host.pace.begun()
        assert host.pace.soon() == soon
    host.clock.advance(2 * MEMORY_S)
    assert host.pace.soon() is None


def test_a_while_after_the_last_call_the_bound_is_gone() -> None:
    host = Host()
    assert host.turn(1000)
    host.clock.advance(MEMORY_S / 2)
    assert host.pace.allowance()
    host.clock.advance(MEMORY_S)
    assert host.pace.allowance() is None


def test_tasks_are_no_other_calls() -> None:
    host = Host()
    for _ in range(20):
        for _ in range(50):
            host.pace.begun()
        assert host.turn(50) is None
    for _ in range(50):
        host.pace.begun()
    assert host.turn(0) is None
    assert host.turn(50) is None
