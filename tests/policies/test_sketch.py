import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.policies.sketch import BUCKETS, GROWTH, LEAST_S, MOST_S, RECENT, Sketch


@given(
    st.lists(st.floats(LEAST_S, MOST_S), min_size=1, max_size=RECENT - 1),
    st.sampled_from([0.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0]),
)
def test_a_percentile_is_off_by_one_bucket_at_most(durations: list[float], percent: float) -> None:
    sketch = Sketch()
    for took_s in durations:
        sketch.add(took_s)
    beyond = len(durations) * (100 - percent) / 100
    # The largest that more than so many reach: what a sorted list says.
    exact = next((took for place, took in enumerate(sorted(durations, reverse=True), 1) if place > beyond), LEAST_S)
    assert exact / GROWTH * (1 - 1e-9) <= sketch.percentile(percent) / GROWTH <= exact * (1 + 1e-9) + LEAST_S


def test_it_forgets_what_was_long_ago() -> None:
    sketch = Sketch()
    for _ in range(5000):
        sketch.add(10.0)
    for _ in range(4 * RECENT):
        sketch.add(0.01)
    assert sketch.percentile(95) == pytest.approx(0.01, rel=0.11)
    assert sketch.percentile(100) < 11
    for _ in range(100 * RECENT):
        sketch.add(0.01)
    assert sketch.percentile(100) == pytest.approx(0.01, rel=0.11)
    assert RECENT // 3 < sketch.count < RECENT


@pytest.mark.parametrize("took_s", [0.0, -1.0, 1e-300, MOST_S * 1e9])
def test_what_is_out_of_range_counts_at_its_end(took_s: float) -> None:
    sketch = Sketch()
    sketch.add(took_s)
    assert sketch.percentile(50) in (LEAST_S * GROWTH, LEAST_S * GROWTH**BUCKETS)


def test_without_any_there_is_no_percentile() -> None:
    assert Sketch().percentile(95) == 0.0
