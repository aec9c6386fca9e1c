import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.policies.gradient import LONG_WINDOWS, QUICK_WINDOWS, SLACK_S, Gradient


def settled(work_s: float = 0.1, first: int = 50, windows: int = 20) -> Gradient:
    """One that knows its latency, and has moved nowhere."""
    gradient = Gradient(first, (4, 1000), 1.5)
    for _ in range(windows):
        gradient.update(work_s, work_s, 0, refused=False)
    assert gradient.limit == first
    return gradient


def test_the_first_limit_is_within_the_bounds() -> None:
    assert [Gradient(first, (4, 100), 1.5).limit for first in (1, 20, 500)] == [4, 20, 100]


def test_while_latency_is_what_it_was_the_limit_grows_by_its_root() -> None:
    gradient = settled()
    gradient.update(0.1, 0.1, 50, refused=False)
    assert gradient.limit == pytest.approx(50 + 0.2 * math.sqrt(50))


def test_latency_may_grow_to_the_tolerance() -> None:
    gradient = settled()
    gradient.update(0.149, 0.1, 50, refused=True)
    assert gradient.limit > 50
    gradient = settled()
    gradient.update(0.3, 0.1, 50, refused=True)
    assert gradient.limit == pytest.approx(50 + 0.2 * (50 * 0.5 + math.sqrt(50) - 50))


def test_an_outlier_takes_no_more_than_a_tenth() -> None:
    gradient = settled()
    gradient.update(1000.0, 0.1, 50, refused=True)
    assert 45 < gradient.limit < 50


def test_a_queue_of_a_few_milliseconds_is_no_overload() -> None:
    gradient = settled(work_s=0.0001)
    gradient.update(0.9 * SLACK_S, 0.0001, 50, refused=False)
    assert gradient.limit > 50


def test_where_little_is_asked_the_limit_says_nothing_and_stays() -> None:
    gradient = settled()
    gradient.update(0.5, 0.1, 24, refused=False)
    assert gradient.limit == 50


def test_where_calls_were_refused_there_was_enough_to_do() -> None:
    gradient = settled()
    gradient.update(0.1, 0.1, 24, refused=True)
    assert gradient.limit > 50


def test_a_queue_of_ours_never_becomes_the_usual_latency() -> None:
    gradient = settled()
    for _ in range(5 * LONG_WINDOWS):
        gradient.update(1.0, 0.1, 50, refused=True)
    assert gradient.long_s == pytest.approx(0.1)
    assert gradient.limit == pytest.approx(4)


def test_what_nobody_tells_apart_from_a_queue_becomes_usual_slowly() -> None:
    told, untold = settled(windows=LONG_WINDOWS), settled(windows=LONG_WINDOWS)
    for _ in range(100):
        told.limit = untold.limit = 100.0
        told.update(0.21, 0.2, 100, refused=True)
        untold.update(0.2, 0.2, 100, refused=True)
    assert untold.long_s < 0.105
    assert 0.11 < told.long_s < 0.13


def test_what_is_slow_at_the_least_limit_is_soon_the_usual() -> None:
    gradient = settled(work_s=0.01)
    lowest = gradient.limit
    for _ in range(200):
        gradient.update(1.0, 1.0, int(gradient.limit), refused=True)
        lowest = min(lowest, gradient.limit)
    assert lowest < 4.5
    assert gradient.limit > 20


def test_a_slow_time_that_is_over_is_soon_forgotten() -> None:
    gradient = settled(work_s=1.0, windows=2 * LONG_WINDOWS)
    for _ in range(3 * QUICK_WINDOWS):
        gradient.update(0.1, 0.1, 0, refused=False)
    assert gradient.long_s < 0.21


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.floats(0, 1), st.integers(0, 2000), st.booleans()), min_size=1, max_size=100
    )
)
def test_whatever_is_measured_the_limit_keeps_its_bounds(windows: list[tuple[float, float, int, bool]]) -> None:
    gradient = Gradient(20, (4, 100), 1.5)
    for latency_s, share, in_flight, refused in windows:
        gradient.update(latency_s, latency_s * share, in_flight, refused=refused)
        assert 4 <= gradient.limit <= 100
        assert 0 <= gradient.long_s <= 100
