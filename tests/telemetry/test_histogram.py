"""A duration is counted in every bucket that holds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.telemetry.histogram import BOUNDS_S, Histogram


@given(st.lists(st.floats(0, 100)))
def test_each_bucket_counts_those_below_its_bound(durations: list[float]) -> None:
    histogram = Histogram()
    for seconds in durations:
        histogram.add(seconds)
    found = dict(histogram.cumulative())
    assert list(found) == [*map(str, BOUNDS_S), "+Inf"]
    assert all(found[str(bound)] == sum(seconds <= bound for seconds in durations) for bound in BOUNDS_S)
    assert found["+Inf"] == len(durations)
    assert histogram.seconds == pytest.approx(sum(durations))


def test_bounds_may_be_others() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.add(1.5)
    assert histogram.cumulative() == [("1.0", 0), ("2.0", 1), ("+Inf", 1)]
