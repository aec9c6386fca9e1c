from typing import Any

import pytest

from dragoman.workers.exchange import Exchange
from dragoman.workers.line import WaitLine
from tests.workers.peer import make_call

NOBODY: Any = None


def make_exchange(depth: int = 0) -> Exchange:
    call = make_call()
    call.depth = depth
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
