"""Timetables: at which moments something is to happen, by a cron expression in a time zone, or every so often.

A moment is whole microseconds since the epoch, and every host works out the same ones: an expression and a zone name
them, and an interval counts from the epoch, not from when somebody was started.

Where the clocks of a zone are changed, Debian's cron is followed. An expression that names its hour and its minute
(`30 2 * * *`) means a time on the wall: it happens once a day, at the end of a gap that swallows it, and the first
time that a doubled hour comes to it. One that begins its hour or its minute with `*` (`*/15 * * * *`) means a rhythm:
it goes on by real time, so a gap has none of it and a doubled hour has it twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from dragoman.tasks.task import US

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT_CHARS_MAX = 200
"""Longer than any expression that somebody wrote; five fields that list every value would be no schedule any more."""
WRITTEN = re.compile(r"[0-9A-Za-z*,/#-]+(?: +[0-9A-Za-z*,/#-]+){4}", re.ASCII)
NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
EXPECTED = (
    'expected five fields (minute, hour, day of month, month, day of week) such as "30 2 * * mon-fri", '
    'or one of @hourly, @daily, @weekly, @monthly and @yearly; for less than a minute write every = "10s"'
)
OWN_ZONES = frozenset({"localtime", "posixrules", "Factory"})
"""Names that mean something else on every machine, or nothing."""
FIELDS = {"minute": 60, "hour": 24, "day of month": 31, "month": 12, "day of week": 7}
"""How many values each field has."""
STEP = re.compile(r"/([0-9]+)", re.ASCII)
FIRST_STEP_US = 60 * US
"""How far back a moment is looked for at first: the shortest time between two of one expression."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US_MAX = 253_370_764_800 * US
"""The year 9999, where dates end."""


class TimetableError(ValueError):
    """An expression, a zone or an interval that is none; the message says what is wrong with it."""


class Timetable(Protocol):
    """When something is to happen. Neither method depends on anything but its arguments."""

    def after(self, moment: int) -> int:
        """The first moment after this one, 0 where there is none any more."""
        ...

    def latest(self, floor: int, moment: int) -> int:
        """The last moment after `floor` that is not after `moment`, 0 where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """Every `interval` microseconds, counted from the epoch."""

    interval: int

    def after(self, moment: int) -> int:
        """The next multiple of the interval."""
        return (moment // self.interval + 1) * self.interval

    def latest(self, floor: int, moment: int) -> int:
        """The last multiple of the interval."""
        slot = moment // self.interval * self.interval
        return slot if slot > floor else 0


class Cron:
    """By five fields in a time zone."""

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        """Raises `TimetableError`."""
        self.zone = zone_of(zone)
        self._fields = fields_of(expression)
        try:
            CronSim(self._fields, EPOCH)
        except CronSimError as error:
            raise TimetableError(f"{str(error).lower()} in {expression!r}; {EXPECTED}") from None
        if not self.after(0):
            raise TimetableError(f"{expression!r} never comes")

    def after(self, moment: int) -> int:
        """The first moment after this one, 0 where there is none any more, as in the year 9999."""
        if not 0 <= moment < US_MAX:
            return 0
        # An hour that is doubled makes moments on the wall come out of order, and a gap the same one several times.
        for each in self._moments(moment):
            if each > moment:
                return each
        return 0

    def latest(self, floor: int, moment: int) -> int:
        """The last moment after `floor` that is not after `moment`, 0 where there is none.

        By steps that double, and then by halves: a minute or a year between two, it takes some dozens of looks.
        """
        low, step = moment, FIRST_STEP_US
        while True:
            low = max(floor, low - step, 0)
            if 0 < (slot := self.after(low)) <= moment:
                break
            if low <= max(floor, 0):
                return 0
            step *= 2
        high = moment
        while 0 < (following := self.after(slot)) <= moment:
            slot = following
            middle = (slot + high) // 2
            if 0 < (found := self.after(middle)) <= moment:
                slot = found
            else:
                high = middle
        return slot

    def _moments(self, moment: int) -> Iterator[int]:
        """Those from about this moment on, until dates end."""
        try:
            start = (EPOCH + timedelta(microseconds=moment)).astimezone(self.zone)
            for each in CronSim(self._fields, start):
                yield round((each.astimezone(UTC) - EPOCH).total_seconds()) * US
        except (OverflowError, ValueError):
            return


def fields_of(expression: str) -> str:
    """The five fields of an expression. Raises `TimetableError` for what has not the looks of any."""
    text = expression.strip(" ") if len(expression) <= TEXT_CHARS_MAX else ""
    text = NAMED.get(text.lower(), text)
    if WRITTEN.fullmatch(text) is None:
        raise TimetableError(f"{EXPECTED}, found {expression[:80]!r}")
    for (name, count), field in zip(FIELDS.items(), text.split(), strict=True):
        for step in STEP.findall(field):
            # As any cron it would take the first value alone, which nobody means by so large a number.
            if int(step) > count:
                raise TimetableError(
                    f"a step of {step[:20]} is none of the field {name} in {expression[:80]!r}: it has {count} values, "
                    f'and begins anew with each round of them; for any length of time write every = "90m"'
                )
    return text


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises `TimetableError`."""
    if name not in OWN_ZONES:
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, KeyError):  # a folder, what cannot be a name, and what is none
            pass
    known = available_timezones() - OWN_ZONES
    if not known:
        raise TimetableError("this machine knows no time zones: install the package tzdata (pip install tzdata)")
    near = next((each for each in sorted(known) if each.lower() == name.lower()), "")
    hint = f"; did you mean {near!r}?" if near else ""
    raise TimetableError(f'expected a time zone such as "Europe/Berlin" or "UTC", found {name[:80]!r}{hint}')
