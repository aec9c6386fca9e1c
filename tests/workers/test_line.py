from typing import Any

import pytest

from dragoman.core.call import Priority
from dragoman.workers.exchange import Exchange
from dragoman.workers.line import WaitLine
from tests.workers.peer import make_call

NOBODY: Any = None


def make_exchange(depth: int = 0, priority: int = Priority.NORMAL) -> Exchange:
    call = make_call()
    call.depth = depth
    call.priority = priority
    return Exchange(call, NOBODY)


def test_who_came_first_goes_first() -> None:
    line, waiting = WaitLine(3), [make_exchange() for _ in range(3)]
    assert all(line.join(exchange) for exchange in waiting)
    assert line.head_arrived_at() == waiting[0].call.arrived_at
    assert [line.next() for _ in range(4)] == [*waiting, None]
    assert line.head_arrived_at() is None


def test_a_full_line_takes_nobody_until_somebody_leaves() -> None:
    line, first, second = WaitLine(1), make_exchange(), make_exchange()
    assert line.join(first)
    assert not line.join(second)
    line.leave(first)
    assert line.join(second)
    assert (len(line), line.next()) == (1, second)


def test_what_functions_wait_for_goes_first_and_finds_room() -> None:
    line, outside, nested, deeper = WaitLine(2), make_exchange(), make_exchange(1), make_exchange(2)
    assert all(line.join(exchange) for exchange in (outside, make_exchange(), nested, deeper))
    assert not line.join(make_exchange(1))
    assert len(line) == len(line.waiting) == 4
    assert line.head_arrived_at() == outside.call.arrived_at
    assert [line.next(), line.next(), line.next()] == [nested, deeper, outside]
    line.rejoin(nested)
    line.leave(nested)
    assert len(line) == 1


def test_leaving_twice_or_without_having_joined_counts_nothing_out() -> None:
    line, first = WaitLine(2), make_exchange()
    line.join(first)
    line.leave(first)
    line.leave(first)
    line.leave(make_exchange())
    assert len(line) == 0


def test_one_that_had_its_turn_comes_back_to_the_front_even_of_a_full_line() -> None:
    line, first, back = WaitLine(1), make_exchange(), make_exchange()
    line.join(first)
    line.rejoin(back)
    assert len(line) == 2
    assert line.waiting == {first.call.id: first, back.call.id: back}
    assert [line.next(), line.next()] == [back, first]


@pytest.mark.parametrize("limit", [0])
def test_a_line_without_places_takes_only_those_that_come_back(limit: int) -> None:
    line, back = WaitLine(limit), make_exchange()
    assert not line.join(make_exchange())
    line.rejoin(back)
    assert line.next() is back


def test_what_matters_more_goes_first_and_equals_keep_their_order() -> None:
    line = WaitLine(10)
    batch, normal, critical = (
        [make_exchange(priority=priority) for _ in range(2)]
        for priority in (Priority.BATCH, Priority.NORMAL, Priority.CRITICAL)
    )
    nested = make_exchange(1, Priority.BATCH)
    assert all(line.join(exchange) for exchange in (*batch, *normal, *critical, nested))
    assert line.head_arrived_at() == batch[0].call.arrived_at
    assert [line.next(), line.next()] == [nested, critical[0]]
    line.rejoin(critical[0])
    assert [line.next() for _ in range(7)] == [*critical, *normal, *batch, None]


def test_what_matters_more_takes_the_place_of_the_newest_that_matters_least() -> None:
    line, critical = WaitLine(3), make_exchange(priority=Priority.CRITICAL)
    normal, *batch = (make_exchange(priority=priority) for priority in (Priority.NORMAL, *[Priority.BATCH] * 2))
    assert all(line.join(exchange) for exchange in (normal, *batch))
    assert not line.join(critical)
    assert line.displace(make_exchange(priority=Priority.BATCH)) is None
    assert line.displace(make_exchange(1, priority=Priority.CRITICAL)) is None, "they have a line of their own"
    assert line.displace(critical) is batch[1]
    assert line.join(critical)
    assert line.displace(critical) is batch[0]
    assert line.displace(critical) is normal
    assert line.displace(critical) is None
    assert (len(line), line.next()) == (1, critical)


def test_knots_see_the_newest_of_the_least_important_calls_of_functions() -> None:
    line = WaitLine(5)
    assert line.newest_nested is None
    critical, older, newer = (
        make_exchange(1, priority) for priority in (Priority.CRITICAL, Priority.NORMAL, Priority.NORMAL)
    )
    outside = make_exchange()
    for exchange in (older, newer, critical, outside):
        line.join(exchange)
    assert line.newest_nested is newer
    assert line.holds_nested(critical.call.id)
    assert not line.holds_nested(outside.call.id)
