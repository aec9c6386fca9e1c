from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.policies.bucket import Bucket, Buckets, Measure, Moments

GAPS = st.floats(0.0, 3.0)


class Model:
    """Tokens as a book would draw them: a number that grows with time, up to the burst."""

    def __init__(self, limit: float, burst: int, now: float) -> None:
        self.limit, self.burst, self.tokens, self.at = limit, burst, float(burst), now

    def at_moment(self, now: float) -> float:
        self.tokens = min(self.tokens + (now - self.at) * self.limit, self.burst)
        self.at = now
        return self.tokens


@settings(deadline=None)
@given(st.floats(0.01, 10_000.0), st.integers(1, 50), st.lists(st.tuples(GAPS, st.integers(0, 60)), max_size=30))
def test_it_lets_through_what_a_bucket_of_tokens_would(
    limit: float, burst: int, arrivals: list[tuple[float, int]]
) -> None:
    now = 1000.0
    bucket, model = Bucket(Measure("limit", limit, burst)), Model(limit, burst, now)
    for gap, calls in arrivals:
        now += gap / limit
        for _ in range(calls):
            tokens = model.at_moment(now)
            if abs(tokens - 1) > 0.01:  # nearer than this, rounding may decide
                assert bucket.ready(now, "") == (tokens > 1)
            if bucket.ready(now, ""):
                bucket.take(now, "")
                model.tokens -= 1


@settings(deadline=None)
@given(st.floats(0.1, 1000.0), st.integers(1, 20), st.lists(st.floats(0.0, 0.5), max_size=200))
def test_no_stretch_of_time_has_more_calls_than_the_limit_allows(limit: float, burst: int, gaps: list[float]) -> None:
    bucket, now, passed = Bucket(Measure("limit", limit, burst)), 1000.0, list[float]()
    for gap in gaps:
        now += gap / limit
        if bucket.ready(now, ""):
            bucket.take(now, "")
            passed.append(now)
    for first, began in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + limit * (passed[last] - began) + 0.02


@settings(deadline=None)
@given(st.floats(0.01, 10_000.0), st.integers(1, 50), st.integers(0, 80))
def test_who_waits_as_long_as_told_is_let_through(limit: float, burst: int, calls: int) -> None:
    bucket, now = Bucket(Measure("limit", limit, burst)), 1000.0
    for _ in range(calls):
        now += bucket.wait_s(now, "")
        now = now if bucket.ready(now, "") else math.nextafter(now, math.inf)
        assert bucket.ready(now, "")
        bucket.take(now, "")


def test_callers_do_not_use_one_anothers_tokens() -> None:
    buckets = Buckets(Measure("caller_limit", 1.0, 2), Moments(10))
    for _ in range(2):
        assert buckets.ready(0.0, "a")
        buckets.take(0.0, "a")
    assert not buckets.ready(0.0, "a")
    assert buckets.ready(0.0, "b")
    assert buckets.wait_s(0.0, "a") == pytest.approx(1.0, abs=0.01)
    assert buckets.ready(1.0, "a")


def test_who_was_not_seen_for_longest_is_forgotten() -> None:
    buckets = Buckets(Measure("caller_limit", 0.001, 1), Moments(3))
    for caller in ("a", "b", "c"):
        buckets.take(0.0, caller)
    buckets.take(1.0, "a")
    buckets.take(1.0, "d")
    assert list(buckets.moments) == ["c", "a", "d"]
    assert buckets.ready(1.0, "b")
    assert not buckets.ready(1.0, "a")


@pytest.mark.parametrize(
    ("limit", "burst", "quota", "window_s"),
    [
        (100.0, 0, 100, 1),
        (100.0, 500, 500, 5),
        (0.5, 1, 1, 2),
        (100.0, 10, 100, 1),
        (1 / 60, 1, 1, 60),
        (3.0, 10, 10, 4),
    ],
)
def test_it_is_told_as_a_quota_for_whole_seconds(limit: float, burst: int, quota: int, window_s: float) -> None:
    bucket = Bucket(Measure("limit", limit, burst))
    allowance = bucket.allowance(1000.0, "")
    assert (allowance.limit, allowance.window_s, allowance.policy) == (quota, window_s, "limit")
    assert allowance.remaining == bucket.measure.burst
    assert allowance.reset_s == 0.0
    bucket.take(1000.0, "")
    allowance = bucket.allowance(1000.0, "")
    assert allowance.remaining == bucket.measure.burst - 1
    assert allowance.reset_s == pytest.approx(1 / limit)
