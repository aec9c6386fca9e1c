"""Medians, ratios and verdicts."""

from __future__ import annotations

import pytest

from bench.outcome import Comparison, Row, Target


def comparison() -> Comparison:
    rows = [Row("ours", {"rate_s": 50.0, "p50_us": 4.0}, 1), Row("theirs", {"rate_s": 10.0}, 1)]
    return Comparison("which is faster", rows)


def test_row_takes_medians_of_what_was_measured() -> None:
    row = Row.of("ours", [{"rate_s": 1.0}, {"rate_s": 5.0, "p50_us": 7.0}, {"rate_s": 2.0}])
    assert row == Row("ours", {"rate_s": 2.0, "p50_us": 7.0}, 3)


def test_ratio_is_ours_over_theirs() -> None:
    assert comparison().ratio("rate_s", "ours", "theirs") == 5


@pytest.mark.parametrize(("figure", "peer"), [("p50_us", "theirs"), ("rate_s", "nobody"), ("nothing", "theirs")])
def test_ratio_with_a_side_missing_is_none(figure: str, peer: str) -> None:
    assert comparison().ratio(figure, "ours", peer) is None


@pytest.mark.parametrize(
    ("value", "bound", "verdict"),
    [
        (5.0, "at least", "pass"),
        (4.9, "at least", "miss"),
        (5.0, "at most", "pass"),
        (5.1, "at most", "miss"),
        (None, "at most", "not measured"),
    ],
)
def test_verdict_follows_the_bound(value: float | None, bound: str, verdict: str) -> None:
    assert Target("as fast as that", value, bound, 5).verdict == verdict  # pyright: ignore[reportArgumentType] - a parametrised literal
