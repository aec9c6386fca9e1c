import pytest

from dragoman.cli.tally import Tally, disappointments
from dragoman.config.drill import Expectation
from dragoman.core.fault import Code, DeadlineExceeded, Started, Unavailable


def tally(good: int = 98, seconds: float = 0.01) -> Tally:
    made = Tally()
    for _ in range(good):
        made.succeeded(seconds)
    made.failed(Unavailable("gone", started=Started.NO))
    made.failed(DeadlineExceeded("late", started=Started.UNKNOWN))
    return made


def test_everything_is_counted() -> None:
    figures = tally().figures()
    assert (figures["calls"], figures["success"]) == (100, 0.98)
    assert figures["codes"] == {"DEADLINE_EXCEEDED": 1, "UNAVAILABLE": 1}
    assert figures["started"] == {"no": 1, "yes": 0, "unknown": 1}
    assert figures["p99_ms"] == pytest.approx(10, rel=0.02)
    assert Tally().figures()["p50_ms"] is None


BOTH = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED})


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        (Expectation(), []),
        (Expectation(success=0.98, p99_s=0.02, codes=BOTH), []),
        (Expectation(success=0.99), ["98.00% of 100 calls succeeded, 99.00% were expected to"]),
        (Expectation(p99_s=0.005), ["p99 was 10ms", "at most 5ms"]),
        (Expectation(codes=frozenset({Code.UNAVAILABLE})), ["1 DEADLINE_EXCEEDED", "only UNAVAILABLE"]),
    ],
)
def test_what_is_not_as_expected_is_told(expected: Expectation, told: list[str]) -> None:
    found = " ".join(disappointments(tally(), expected))
    assert bool(found) == bool(told)
    assert all(each in found for each in told), found


def test_nothing_can_be_said_of_no_calls() -> None:
    assert disappointments(Tally(), Expectation(success=0.5))
    assert disappointments(Tally(), Expectation(codes=BOTH)) == []
