"""The tables `[schedules.NAME]`: functions that run as tasks at certain moments."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from dragoman.config.kinds import Duration, Flag, Schema, Text, wrong
from dragoman.config.layers import FUNCTION_NAME
from dragoman.config.measures import Json
from dragoman.config.setting import NAME, Setting
from dragoman.core.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.config.document import Document, Values
    from dragoman.tasks.schedule import Schedule
    from dragoman.tasks.timetable import Timetable

SCHEDULES_MAX = 1000
"""At midnight all of them may be due, each a task; more belong into a function that submits them."""


@dataclass(frozen=True)
class Input:
    """The input of a call: a table."""

    json: Json = field(default_factory=Json)

    def read(self, value: object) -> bytes:
        """The input as JSON."""
        if not isinstance(value, dict):
            raise wrong("a table, the input of the call", value)
        return self.json.read(cast("object", value))

    def schema(self) -> Schema:
        """An object."""
        return {"type": "object"}

    def words(self) -> str:
        """For the reference page."""
        return "table"


SCHEDULE = (
    Setting(
        "function",
        Text("a function's full name such as stats.correlation", FUNCTION_NAME),
        "none; it is required",
        "The function that runs as a task.",
        "function",
    ),
    Setting(
        "cron",
        Text('five fields such as "30 2 * * mon-fri"'),
        "none",
        "When: minute, hour, day of month, month, day of week; or `@hourly`, `@daily`, `@weekly`, `@monthly`, "
        "`@yearly`. Either it or `every` is set.",
    ),
    Setting("every", Duration("1s", "365d"), "none", "How often, counted from 1970: `10m` is on every tenth minute."),
    Setting(
        "zone",
        Text("the name of a time zone such as Europe/Berlin"),
        '"UTC"',
        "The time zone of `cron`, by its IANA name.",
        "zone",
    ),
    Setting("input", Input(), "{}", "The input of the call.", "input"),
    Setting(
        "moment",
        Text("the name of a property"),
        "none",
        "A property of the input that gets the moment for which the function runs, as RFC 3339.",
        "moment",
    ),
    Setting(
        "catch_up",
        Text(choices=("none", "last", "all")),
        '"last"',
        "What becomes of moments that came while no host ran, or the store was away: nothing, one task for the last, "
        "or one for each, at most the last 1000.",
        "catch_up",
    ),
    Setting(
        "jitter",
        Duration("1s", "1d", off=True),
        "0s",
        "Puts each task off by a time below this, by chance that is the same on every host.",
        "jitter_s",
    ),
    Setting(
        "overlap",
        Text(choices=("allow", "skip")),
        '"allow"',
        "What becomes of a moment that comes while a task of this schedule is not over: one more task, or nothing.",
        "overlap",
    ),
    Setting(
        "enabled", Flag(), "true", "Whether it runs. One that is switched on again catches up with nothing.", "enabled"
    ),
)


def read_schedules(document: Document, missing: Callable[[str], str]) -> dict[str, Schedule]:
    """The schedules of a file. `missing` says why no function has a name, "" where one may have it."""
    tables = document.table(("schedules",))
    if len(tables) > SCHEDULES_MAX:
        document.refuse(("schedules",), f"expected at most {SCHEDULES_MAX} schedules, found {len(tables)}")
        return {}
    schedules: dict[str, Schedule] = {}
    for name, table in tables.items():
        place = ("schedules", name)
        if re.fullmatch(NAME, name) is None:
            document.refuse(place, "a schedule's name is a letter or _, then up to 63 letters, digits, _ or -")
        elif not isinstance(table, dict):
            document.refuse(place, f'expected a table such as [schedules.{name}] with function = "stats.mean"')
        elif (read := _read(document, place, missing)) is not None:
            schedules[name] = read
    return schedules


def _read(document: Document, place: tuple[str, str], missing: Callable[[str], str]) -> Schedule | None:
    problems = len(document.problems)
    values = document.read(place, SCHEDULE)
    table = document.table(place)
    if "function" not in table:
        document.refuse(place, 'needs a function, such as function = "stats.mean"')
    elif "function" in values and (why := missing(values["function"].value)):
        document.refuse(values["function"].path, f"{values['function'].value!r}: {why}")
    if not {"cron", "every"} & table.keys():
        document.refuse(place, 'needs cron = "30 2 * * *", or every = "10m"')
    timetable = _timetable(document, values)
    _check_moment(document, values)
    _check_overlap(document, values)
    if len(document.problems) > problems or timetable is None:
        return None
    fields: dict[str, Any] = {
        each.field: values[each.key].value for each in SCHEDULE if each.field and each.key in values
    }
    from dragoman.tasks.schedule import Schedule  # noqa: PLC0415 - for projects that have some

    return Schedule(place[1], timetable=timetable, written=_written(values), **fields)


def _timetable(document: Document, values: Values) -> Timetable | None:
    from dragoman.tasks.task import US  # noqa: PLC0415 - for projects that have some
    from dragoman.tasks.timetable import Cron, Every, TimetableError  # noqa: PLC0415 - as above

    if "every" in values:
        for key, why in (("cron", "a schedule has one or the other"), ("zone", "is for cron: every counts real time")):
            if key in values:
                document.refuse(values[key].path, f"cannot stand beside {document.place(values['every'].path)}: {why}")
        return Every(round(values["every"].value * US))
    if "cron" not in values:
        return None
    zone = values["zone"].value if "zone" in values else "UTC"
    try:
        Cron("@daily", zone)
    except TimetableError as error:
        document.refuse(values["zone"].path, str(error))
        return None
    try:
        return Cron(values["cron"].value, zone)
    except TimetableError as error:
        document.refuse(values["cron"].path, str(error))
        return None


def _check_moment(document: Document, values: Values) -> None:
    if "moment" in values and "input" in values and values["moment"].value in json.loads(values["input"].value):
        what = document.place((*values["input"].path, values["moment"].value))
        document.refuse(values["moment"].path, f"cannot be {values['moment'].value!r}: {what} has a value already")


def _check_overlap(document: Document, values: Values) -> None:
    if "overlap" in values and values["overlap"].value == "skip" and "catch_up" in values:
        catch_up = values["catch_up"]
        if catch_up.value == "all":
            why = "tasks for all that was missed would overlap"
            document.refuse(catch_up.path, f'cannot be "all" beside {document.place(values["overlap"].path)}: {why}')


def _written(values: Values) -> str:
    return values["cron"].value if "cron" in values else f"every {format_duration(values['every'].value)}"
