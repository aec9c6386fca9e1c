from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.upstream.rpc.duration import to_iso, to_proto


@pytest.mark.parametrize(
    ("iso", "proto"),
    [
        ("PT1.5S", "1.5s"),
        ("-PT0.000000001S", "-0.000000001s"),
        ("P1DT2H30M", "95400s"),
        ("PT0S", "0s"),
        ("P1D", "86400s"),
    ],
)
def test_durations_are_written_both_ways(iso: str, proto: str) -> None:
    assert to_proto(iso) == proto


@given(st.integers(-(10**11), 10**11), st.integers(0, 10**9 - 1))
def test_nothing_is_lost_on_the_way_there_and_back(seconds: int, nanos: int) -> None:
    text = f"{seconds}.{nanos:09d}s"
    assert to_iso(to_proto(to_iso(text))) == to_iso(text)


@pytest.mark.parametrize("text", ["", "P", "PT", "1.5s", "P1Y", "PT1.0000000001S", "PT\u0661S", "1 day"])
def test_what_is_no_duration_is_left_for_others_to_refuse(text: str) -> None:
    assert to_proto(text) == text


def test_what_is_none_of_theirs_is_left_too() -> None:
    assert to_iso("soon") == "soon"
    assert to_iso("1.500s") == "PT1.5S"
