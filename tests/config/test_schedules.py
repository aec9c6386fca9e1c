import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.config.document import Document
from dragoman.config.load import load
from dragoman.config.problem import ConfigError
from dragoman.config.schedules import read_schedules
from dragoman.tasks.schedule import Schedule
from dragoman.tasks.task import US
from dragoman.tasks.timetable import Cron, Every

STATS = '[sources.stats]\npath = "stats.py"\n'


def read(text: str) -> tuple[dict[str, Schedule], list[str]]:
    document = Document.parse(Path("/shop/dragoman.toml"), text.encode())
    found = read_schedules(document, lambda name: "" if name.startswith("stats.") else "no source is called that")
    return found, [f"{each.key}: {each.message}" for each in document.problems]


def problem(text: str) -> str:
    found, problems = read(f"[schedules.nightly]\n{text}")
    assert found == {}
    assert len(problems) == 1
    return problems[0].removeprefix("schedules.")


def test_a_schedule_arrives_with_all_that_is_said() -> None:
    found, problems = read(
        """
        [schedules.nightly]
        function = "stats.report"
        cron = "30 2 * * mon-fri"
        zone = "Europe/Berlin"
        input = { kind = "full", days = 7 }
        moment = "at"
        catch_up = "all"
        jitter = "5m"
        enabled = false
        """
    )
    assert problems == []
    nightly = found["nightly"]
    assert isinstance(nightly.timetable, Cron)
    assert (nightly.name, nightly.function, nightly.written) == ("nightly", "stats.report", "30 2 * * mon-fri")
    assert (nightly.zone, nightly.catch_up, nightly.jitter_s, nightly.enabled) == ("Europe/Berlin", "all", 300.0, False)
    assert json.loads(nightly.body(0)) == {"kind": "full", "days": 7, "at": "1970-01-01T00:00:00.000Z"}


def test_what_is_not_said_has_its_default() -> None:
    found, problems = read('[schedules.often]\nfunction = "stats.report"\nevery = "10m"')
    assert problems == []
    assert found == {"often": Schedule("often", "stats.report", Every(600 * US), "every 10m")}
    assert found["often"].timetable == Every(600 * US)


def test_what_is_not_to_overlap_may_still_catch_up_with_the_last() -> None:
    found, problems = read('[schedules.a]\nfunction = "stats.a"\nevery = "1d"\noverlap = "skip"\ncatch_up = "last"')
    assert (found["a"].overlap, problems) == ("skip", [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('every = "10m"', "nightly: needs a function"),
        ('function = "stats.a"', 'nightly: needs cron = "30 2 * * *", or every = "10m"'),
        ('function = "other.a"\nevery = "10m"', "nightly.function: 'other.a': no source is called that"),
        ('function = "stats.a"\ncron = "61 * * * *"', "nightly.cron: bad minute in '61 * * * *'"),
        ('function = "stats.a"\ncron = "* * * * * *"', "nightly.cron: expected five fields"),
        ('function = "stats.a"\ncron = "0 0 30 2 *"', "nightly.cron: bad day-of-month"),
        ('function = "stats.a"\ncron = "@daily"\nzone = "Mars/Olympus"', "nightly.zone: expected a time zone such as"),
        ('function = "stats.a"\ncron = "@daily"\nzone = "localtime"', "nightly.zone: expected a time zone such as"),
        (
            'function = "stats.a"\ncron = "@daily"\nevery = "1d"',
            "nightly.cron: cannot stand beside schedules.nightly.every",
        ),
        (
            'function = "stats.a"\nevery = "1d"\nzone = "UTC"',
            "nightly.zone: cannot stand beside schedules.nightly.every",
        ),
        ('function = "stats.a"\nevery = "10ms"', "nightly.every: expected a duration from 1s to 365d"),
        ('function = "stats.a"\nevery = 5', "nightly.every: expected a duration"),
        ('function = "stats.a"\nevery = "1d"\ninput = [1]', "nightly.input: expected a table"),
        (
            'function = "stats.a"\nevery = "1d"\ncatch_up = "some"',
            'nightly.catch_up: expected "none" or "last" or "all"',
        ),
        ('function = "stats.a"\nevery = "1d"\noverlap = "queue"', 'nightly.overlap: expected "allow" or "skip"'),
        (
            'function = "stats.a"\nevery = "1d"\noverlap = "skip"\ncatch_up = "all"',
            'nightly.catch_up: cannot be "all" beside schedules.nightly.overlap (line 4): tasks for all',
        ),
        (
            'function = "stats.a"\nevery = "1d"\ninput = { at = 1 }\nmoment = "at"',
            "nightly.moment: cannot be 'at': schedules.nightly.input.at (line 4) has a value already",
        ),
        (
            'function = "stats.a"\nevery = "1d"\ncatchup = "all"',
            "nightly.catchup: unknown key; did you mean 'catch_up'?",
        ),
    ],
)
def test_what_cannot_stand_is_refused_with_the_reason(text: str, expected: str) -> None:
    assert problem(text).startswith(expected)


def test_a_name_is_a_word() -> None:
    assert "a schedule's name is a letter" in read('[schedules."a b"]\nfunction = "stats.a"\nevery = "1d"')[1][0]
    assert "expected a table" in read("[schedules]\nnightly = 1")[1][0]


def test_more_schedules_than_anybody_has_are_refused() -> None:
    text = "".join(f'[schedules.s{number}]\nfunction = "stats.a"\nevery = "1d"\n' for number in range(1001))
    assert read(text)[1] == ["schedules: expected at most 1000 schedules, found 1001"]


@given(st.text(max_size=60), st.text(max_size=30))
def test_any_text_is_a_schedule_or_refused(cron: str, zone: str) -> None:
    text = f'[schedules.a]\nfunction = "stats.a"\ncron = {json.dumps(cron)}\nzone = {json.dumps(zone)}\n'
    try:
        found, problems = read(text)
    except ConfigError:
        return  # what is no TOML, such as half of a surrogate pair
    assert bool(found) != bool(problems)


def test_a_project_has_them(tmp_path: Path) -> None:
    (tmp_path / "stats.py").touch()
    text = STATS + '[schedules.nightly]\nfunction = "stats.report"\ncron = "@daily"\n'
    (tmp_path / "dragoman.toml").write_text(text)
    assert load([tmp_path]).schedules.keys() == {"nightly"}
    (tmp_path / "dragoman.toml").write_text(text.replace("stats.report", "stat.report"))
    with pytest.raises(ConfigError, match=r"schedules\.nightly\.function: 'stat\.report': no source is called 'stat'"):
        load([tmp_path])
