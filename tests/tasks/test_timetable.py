from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.tasks.task import US
from dragoman.tasks.timetable import US_MAX, Cron, Every, TimetableError, fields_of, zone_of

BERLIN = "Europe/Berlin"


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * US


def local(expression: str, zone: str, start: str, count: int) -> list[str]:
    """The next moments, as clocks on the walls of the zone show them, with their offset."""
    table, moment, found = Cron(expression, zone), us(start), list[str]()
    for _ in range(count):
        moment = table.after(moment)
        found.append(datetime.fromtimestamp(moment / US, ZoneInfo(zone)).isoformat(timespec="minutes"))
    return found


def test_an_expression_comes_by_the_clocks_of_its_zone() -> None:
    assert local("30 2 * * mon-fri", BERLIN, "2026-01-02T03:00+01:00", 3) == [
        "2026-01-05T02:30+01:00",
        "2026-01-06T02:30+01:00",
        "2026-01-07T02:30+01:00",
    ]
    assert local("0 9 * * *", "America/New_York", "2026-07-01T00:00Z", 1) == ["2026-07-01T09:00-04:00"]


def test_a_time_on_the_wall_that_a_gap_swallows_comes_at_its_end_and_once() -> None:
    start = "2026-03-28T12:00+01:00"
    assert local("30 2 * * *", BERLIN, start, 2) == ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]
    assert local("0,30 2,3 * * *", BERLIN, start, 3) == [
        "2026-03-29T03:00+02:00",
        "2026-03-29T03:30+02:00",
        "2026-03-30T02:00+02:00",
    ]


def test_a_time_on_the_wall_in_a_doubled_hour_comes_the_first_time_only() -> None:
    assert local("30 2 * * *", BERLIN, "2026-10-24T12:00+02:00", 2) == [
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
    ]
    within = "2026-10-25T02:10+01:00"  # the second time
    assert local("30 2 * * *", BERLIN, within, 1) == ["2026-10-26T02:30+01:00"]


def test_a_rhythm_goes_on_by_real_time() -> None:
    assert local("*/30 * * * *", BERLIN, "2026-03-29T01:00+01:00", 3) == [
        "2026-03-29T01:30+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-29T03:30+02:00",
    ]
    assert local("*/30 * * * *", BERLIN, "2026-10-25T02:00+02:00", 4) == [
        "2026-10-25T02:30+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-25T02:30+01:00",
        "2026-10-25T03:00+01:00",
    ]


def test_a_day_that_a_zone_left_out_has_no_moments() -> None:
    assert local("@daily", "Pacific/Apia", "2011-12-29T12:00-10:00", 2) == [
        "2011-12-31T00:00+14:00",
        "2012-01-01T00:00+14:00",
    ]


def test_words_stand_for_expressions() -> None:
    assert fields_of(" @Weekly ") == "0 0 * * 0"
    assert local("@monthly", "UTC", "2026-01-31T00:00Z", 1) == ["2026-02-01T00:00+00:00"]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("61 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 * * foo", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("5-1 * * * *", "bad minute"),
        ("*/99999 * * * *", "a step of 99999 is none of the field minute"),
        ("*/61 * * * *", 'write every = "90m"'),
        ("1,5-30/70 * * * *", "a step of 70 is none of the field minute"),
        ("0 */25 * * *", "a step of 25 is none of the field hour"),
        ("0 0 */32 * *", "a step of 32 is none of the field day of month"),
        ("0 0 1 */13 *", "a step of 13 is none of the field month"),
        ("0 0 * * */8", "a step of 8 is none of the field day of week"),
        ("*/" + "9" * 180 + " * * * *", "is none of the field minute"),
        ("* * * *", "five fields"),
        ("0 0 0 * * *", 'write every = "10s"'),
        ("", "five fields"),
        ("@often", "five fields"),
        ("@reboot", "five fields"),
        ("* * * * ; ls", "five fields"),
        ("*\t* * * *", "five fields"),
        ("٣ * * * *", "five fields"),
        ("9" * 5000 + " * * * *", "five fields"),
    ],
)
def test_what_is_no_expression_is_refused(expression: str, why: str) -> None:
    with pytest.raises(TimetableError) as raised:
        Cron(expression)
    assert why in str(raised.value)
    assert len(str(raised.value)) < 500


def test_a_step_over_all_values_of_a_field_is_its_first_one() -> None:
    assert local("*/60 */24 * * *", "UTC", "2026-01-01T12:00Z", 2) == [
        "2026-01-02T00:00+00:00",
        "2026-01-03T00:00+00:00",
    ]


@pytest.mark.parametrize("name", ["Nowhere/City", "../../etc/passwd", "/etc/passwd", "Europe", "", "a\0b", "x" * 300])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(TimetableError, match="expected a time zone such as"):
        zone_of(name)


def test_a_zone_that_is_another_on_every_machine_is_refused() -> None:
    with pytest.raises(TimetableError, match="found 'localtime'"):
        zone_of("localtime")


def test_the_nearest_zone_is_named() -> None:
    with pytest.raises(TimetableError, match=r"did you mean 'Europe/Berlin'\?"):
        zone_of("europe/berlin")


def test_an_interval_counts_from_the_epoch() -> None:
    table = Every(600 * US)
    assert table.after(us("2026-01-01T00:03Z")) == us("2026-01-01T00:10Z")
    assert table.after(us("2026-01-01T00:10Z")) == us("2026-01-01T00:20Z")
    assert table.latest(0, us("2026-01-01T00:10Z")) == us("2026-01-01T00:10Z")
    assert table.latest(us("2026-01-01T00:10Z"), us("2026-01-01T00:19Z")) == 0


def test_where_dates_end_there_is_no_moment_any_more() -> None:
    table = Cron("@yearly")
    assert table.after(US_MAX) == 0
    assert table.after(-1) == 0


FIELDS = st.sampled_from(
    [
        *("* * * * *", "*/7 * * * *", "30 2 * * *", "0,30 1-3 * * *", "*/20 2 * * *", "15 */3 * * *", "0 0 * * *"),
        *("0 0 L * *", "0 12 * * mon#2", "0 3 * * 5L", "0 2 29 2 *", "59 23 31 12 *", "0 2 LW * *", "30 1 1 * 0"),
    ]
)
ZONES = st.sampled_from(
    [
        *("UTC", BERLIN, "America/New_York", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kathmandu"),
        *("America/Sao_Paulo", "Pacific/Apia", "America/St_Johns", "Europe/Dublin", "Africa/Casablanca"),
    ]
)
MOMENTS = st.datetimes(datetime(1996, 1, 1), datetime(2036, 1, 1)).map(lambda at: us(f"{at.isoformat()}+00:00"))  # noqa: DTZ001 - UTC is said beside it


@settings(max_examples=300, deadline=None)
@given(FIELDS, ZONES, MOMENTS, st.integers(0, 59))
def test_moments_only_go_forward_and_are_whole_minutes(expression: str, zone: str, moment: int, second: int) -> None:
    table, last = Cron(expression, zone), moment + second * US
    for _ in range(5):
        following = table.after(last)
        assert following > last
        assert following % (60 * US) == 0
        assert table.after(following - 1) == following
        last = following


@settings(max_examples=200, deadline=None)
@given(FIELDS, ZONES, MOMENTS, st.integers(0, 400 * 24 * 3600))
def test_the_latest_moment_is_the_one_before_the_next(expression: str, zone: str, moment: int, past_s: int) -> None:
    table, floor = Cron(expression, zone), moment - past_s * US
    latest = table.latest(floor, moment)
    if latest:
        assert floor < latest <= moment
        assert table.after(latest) > moment
    else:
        assert table.after(floor) > moment


@settings(max_examples=100, deadline=None)
@given(ZONES, st.dates(datetime(1996, 1, 2).date(), datetime(2035, 12, 30).date()), st.integers(0, 23))  # noqa: DTZ001 - a date
def test_a_time_on_the_wall_comes_once_for_every_day(zone: str, day: object, hour: int) -> None:
    table = Cron(f"30 {hour} * * *", zone)
    start = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=ZoneInfo(zone))
    moments, last = list[datetime](), us(start.isoformat())
    for _ in range(4):
        last = table.after(last)
        moments.append(datetime.fromtimestamp(last / US, ZoneInfo(zone)))
    days = [each.date() for each in moments]
    # Apia left a whole day out.
    assert days == sorted(set(days))
    assert days[-1] - days[0] <= timedelta(days=4)


@settings(max_examples=500, deadline=None)
@given(
    st.text(st.sampled_from("0123456789*,-/# LWmonJAN@\tß"), max_size=40)
    | st.lists(st.text("0123456789*,-/#LW", min_size=1, max_size=8), min_size=4, max_size=6).map(" ".join)
)
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        table = Cron(text, BERLIN)
    except TimetableError:
        return
    moment = us("2026-01-01T00:00Z")
    assert table.after(moment) > moment


def test_every_zone_of_this_machine_can_be_used() -> None:
    zones = sorted(available_timezones() - {"localtime", "posixrules", "Factory"})
    assert [name for name in zones if Cron("0 2 * * *", name).after(us("2026-01-01T00:00Z")) == 0] == []
