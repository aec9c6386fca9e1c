import math

import pytest

from dragoman.core import deadline


def test_no_timeout_is_never() -> None:
    assert deadline.at(5.0, None) == deadline.NEVER
    assert deadline.at(5.0, 2.0) == 7.0


def test_the_tighter_of_two_holds() -> None:
    assert deadline.earlier(3.0, deadline.NEVER) == 3.0
    assert deadline.earlier(3.0, 2.0) == 2.0


@pytest.mark.parametrize(
    ("left_s", "ms"),
    [(math.inf, 0), (1.0, 1000), (0.0101, 11), (0.0, 1), (-5.0, 1), (10**9, 0xFFFF_FFFF)],
)
def test_remaining_time_travels_as_whole_milliseconds_and_never_as_none(left_s: float, ms: int) -> None:
    assert deadline.remaining_ms(100.0 + left_s, 100.0) == ms
