"""A bucket lets a burst pass, then its rate, and counts what it refuses, for each key by itself."""

from hypothesis import given
from hypothesis import strategies as st

from dragoman.telemetry.flood import KEYS_MAX, Flood


def test_a_burst_passes_and_the_rest_is_counted() -> None:
    flood = Flood(10, 5)
    assert [flood.admit("a", 100.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert flood.take_dropped() == {"a": 2}
    assert flood.take_dropped() == {}


def test_tokens_come_back_with_time() -> None:
    flood = Flood(10, 5)
    for _ in range(9):
        flood.admit("a", 100.0)
    assert [flood.admit("a", 100.25) for _ in range(3)] == [True, True, False]


def test_keys_do_not_share_a_bucket() -> None:
    flood = Flood(1, 1)
    assert [flood.admit(key, 0.0) for key in "aabb"] == [True, False, True, False]
    assert flood.dropped == {"a": 1, "b": 1}


@given(st.lists(st.floats(min_value=0, max_value=1), max_size=300))
def test_no_more_passes_than_the_burst_and_the_rate_allow(steps: list[float]) -> None:
    flood = Flood(3, 4)
    now = 0.0
    admitted = 0
    for step in steps:
        now += step / 10
        admitted += flood.admit("a", now)
    assert admitted <= 4 + 3 * now + 1e-6
    assert admitted + sum(flood.dropped.values()) == len(steps)


def test_the_keys_that_are_remembered_are_bounded() -> None:
    flood = Flood(1, 1)
    for number in range(KEYS_MAX * 2):
        flood.admit(str(number), 0.0)
    assert flood.admit("0", 0.0)
    assert not flood.admit(str(KEYS_MAX * 2 - 1), 0.0)
