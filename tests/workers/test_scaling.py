import pytest

from dragoman.workers.options import PoolOptions
from dragoman.workers.scaling import BACKOFF_MAX_S, CRASH_PAUSE_MAX_S, backoff_s, crash_pause_s, growth, is_slow, spares


@pytest.mark.parametrize(
    ("workers", "waiting", "concurrency", "added"),
    [(1, 0, 1, 0), (1, 5, 1, 1), (2, 5, 1, 2), (2, 1, 1, 1), (0, 3, 1, 1), (7, 50, 1, 1), (8, 50, 1, 0), (4, 9, 4, 3)],
)
def test_a_pool_at_most_doubles_up_to_its_bound(workers: int, waiting: int, concurrency: int, added: int) -> None:
    assert growth(PoolOptions(workers_max=8, concurrency=concurrency), workers, waiting) == added


@pytest.mark.parametrize(
    ("waiting", "running", "dying", "ready"),
    [(0, 0, 0, 2), (3, 0, 0, 5), (0, 5, 0, 2), (0, 7, 0, 1), (9, 8, 0, 0), (9, 0, 15, 8), (9, 0, 16, 0)],
)
def test_single_use_workers_are_there_for_each_that_waits_and_for_the_next(
    waiting: int, running: int, dying: int, ready: int
) -> None:
    assert spares(PoolOptions(workers_max=8, single_use=True), 2, waiting, running, dying) == ready


def test_a_source_is_slow_only_where_its_pool_may_grow() -> None:
    growing, fixed = PoolOptions(workers_max=2), PoolOptions(workers_max=1)
    assert is_slow(growing, 0.2)
    assert not is_slow(growing, 0.1)
    assert not is_slow(fixed, 9.0)


def test_pauses_after_failed_starts_double_up_to_a_bound() -> None:
    assert [backoff_s(failures) for failures in range(5)] == [0.0, 0.1, 0.2, 0.4, 0.8]
    assert backoff_s(10_000) == BACKOFF_MAX_S


def test_the_first_crash_costs_no_pause_and_later_ones_little() -> None:
    assert [crash_pause_s(crashes) for crashes in range(4)] == [0.0, 0.0, 0.1, 0.2]
    assert crash_pause_s(10_000) == CRASH_PAUSE_MAX_S
