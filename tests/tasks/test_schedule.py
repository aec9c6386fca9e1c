from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dragoman.tasks.schedule import CATCH_UP_MAX, ON_TIME_US, CatchUp, Schedule
from dragoman.tasks.task import US
from dragoman.tasks.timetable import Every

MINUTE = 60 * US
NOON = 1_767_268_800 * US


def schedule(catch_up: CatchUp = "last", jitter_s: float = 0.0, moment: str = "") -> Schedule:
    return Schedule(
        "report", "shop.report", Every(MINUTE), "every 1m", catch_up=catch_up, jitter_s=jitter_s, moment=moment
    )


def test_nothing_is_due_before_the_next_moment() -> None:
    assert schedule().due(NOON, NOON + MINUTE - 1) == ([], 0)


def test_a_moment_is_due_when_it_comes_whatever_the_rule() -> None:
    for rule in ("none", "last", "all"):
        assert schedule(rule).due(NOON, NOON + MINUTE) == ([NOON + MINUTE], NOON + MINUTE)


def test_of_missed_moments_none_the_last_or_all_are_due() -> None:
    late = NOON + 5 * MINUTE + ON_TIME_US + 1
    assert schedule("none").due(NOON, late) == ([], NOON + 5 * MINUTE)
    assert schedule("last").due(NOON, late) == ([NOON + 5 * MINUTE], NOON + 5 * MINUTE)
    assert schedule("all").due(NOON, late) == ([NOON + n * MINUTE for n in range(1, 6)], NOON + 5 * MINUTE)


def test_a_moment_that_is_hardly_late_is_not_missed() -> None:
    assert schedule("none").due(NOON, NOON + MINUTE + ON_TIME_US) == ([NOON + MINUTE], NOON + MINUTE)


def test_of_very_many_missed_moments_the_latest_are_due() -> None:
    slots, latest = schedule("all").due(NOON, NOON + 10_000 * MINUTE)
    assert len(slots) == CATCH_UP_MAX
    assert slots[-1] == latest == NOON + 10_000 * MINUTE
    assert slots == sorted(slots)


def test_a_clock_that_went_back_brings_nothing() -> None:
    assert schedule("all").due(NOON, NOON - 60 * MINUTE) == ([], 0)


def test_the_input_tells_the_moment_where_there_is_a_name_for_it() -> None:
    assert schedule().body(NOON) == b"{}"
    assert json.loads(schedule(moment="at").body(NOON)) == {"at": "2026-01-01T12:00:00.000Z"}


@given(st.integers(0, 10_000), st.integers(-120, 120))
def test_jitter_is_the_same_everywhere_and_bounded(number: int, late_s: int) -> None:
    slot = NOON + number * MINUTE
    delay_s = schedule(jitter_s=60).delay_s(slot, slot + late_s * US)
    assert delay_s == schedule(jitter_s=60).delay_s(slot, slot + late_s * US)
    assert 0 <= delay_s < max(60 - late_s, 0.001)


def test_jitter_spreads_moments() -> None:
    delays = {round(schedule(jitter_s=60).delay_s(NOON + n * MINUTE, NOON + n * MINUTE)) for n in range(200)}
    assert len(delays) > 40
    assert schedule().delay_s(NOON, NOON) == 0


def test_the_next_moments_are_shown() -> None:
    assert schedule().ahead(NOON) == [NOON + MINUTE, NOON + 2 * MINUTE, NOON + 3 * MINUTE]
