import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.backoff import pause

NEARLY_ONE = 1 - 2**-53


@pytest.mark.parametrize(("tries", "bound"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (10_000, 5.0)])
def test_a_pause_is_random_up_to_a_bound_that_doubles(tries: int, bound: float) -> None:
    assert pause(1.0, 5.0, tries, lambda: 0.0) == 0.0
    assert pause(1.0, 5.0, tries, lambda: NEARLY_ONE) == pytest.approx(bound)


def test_what_a_fault_asks_for_is_added() -> None:
    assert pause(1.0, 5.0, 1, lambda: 0.5, 10.0) == 10.5
    assert pause(1.0, 5.0, 1, lambda: 0.5, -3.0) == 0.5


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 10**9))
def test_no_pause_is_longer_than_the_longest(drawn: float, tries: int) -> None:
    assert 0 <= pause(0.01, 60.0, tries, lambda: drawn) < 60.0
