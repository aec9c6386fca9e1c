import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.cli.latency import Latencies


@given(st.lists(st.floats(1e-7, 100), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_within_a_percent_of_the_exact_one(seconds: list[float], share: float) -> None:
    found = Latencies()
    for each in seconds:
        found.add(each)
    exact = sorted(seconds)[max(math.ceil(share * len(seconds)), 1) - 1]
    assert found.percentile(share) == pytest.approx(exact, rel=0.011)
    assert found.percentile(share) <= found.longest_s == max(seconds)


def test_nothing_measured_is_no_number() -> None:
    assert math.isnan(Latencies().percentile(0.5))


def test_what_is_kept_does_not_grow_with_the_calls() -> None:
    found = Latencies()
    for number in range(100_000):
        found.add(0.001 + number % 10 * 1e-6)
    assert len(found.counts) <= 3
    found.add(0.0)
    assert found.total == 100_001
