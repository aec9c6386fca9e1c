"""Moments are written the way RFC 3339 asks."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.moment import rfc3339


def test_the_epoch_is_written_with_milliseconds_and_a_zulu_mark() -> None:
    assert rfc3339(0.0) == "1970-01-01T00:00:00.000Z"


@given(st.floats(min_value=0, max_value=4e9))
def test_what_is_written_reads_back_within_a_millisecond(now_s: float) -> None:
    assert abs(datetime.fromisoformat(rfc3339(now_s)).astimezone(UTC).timestamp() - now_s) <= 0.001


@given(st.integers(0, 4_000_000_000_000))
def test_every_millisecond_is_written_as_itself(now_ms: int) -> None:
    text = datetime.fromtimestamp(now_ms // 1000, UTC).isoformat().removesuffix("+00:00")
    assert rfc3339(now_ms / 1000) == f"{text}.{now_ms % 1000:03d}Z"
