"""A schedule: a function that is to run as a task at certain moments, and what becomes of moments that were missed."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

from dragoman.contract.codecs import json
from dragoman.core.moment import rfc3339
from dragoman.tasks.task import US

if TYPE_CHECKING:
    from dragoman.tasks.timetable import Timetable

CatchUp = Literal["none", "last", "all"]
Overlap = Literal["allow", "skip"]

ON_TIME_US = 30 * US
"""So late, a moment still counts as kept: a host is started anew within it."""
CATCH_UP_MAX = 1000
"""The latest so many of the moments that were missed are caught up with: a week of every ten minutes. Who was away for
longer is not to be buried under what it missed."""
SHOWN = 3
"""Moments that are shown ahead: enough to see the rhythm, and a weekend."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule.

    `input` is the body of the call, a JSON object; its property `moment`, if there is a name for it, gets the moment
    that the call is for. `jitter_s` spreads the tasks of many schedules: each is put off by less than that, by chance
    that is the same on every host. With `overlap` "skip" a moment is passed over while a task of the schedule is not
    over. `written` is the timetable as people know it. Not `enabled`, and it rests.
    """

    name: str
    function: str
    timetable: Timetable = field(compare=False)
    written: str
    zone: str = "UTC"
    input: bytes = b"{}"
    catch_up: CatchUp = "last"
    jitter_s: float = 0.0
    overlap: Overlap = "allow"
    moment: str = ""
    enabled: bool = True

    @property
    def told(self) -> str:
        """When it is, in a few words."""
        zone = "" if self.zone == "UTC" else f" {self.zone}"
        return f"{self.written}{zone}" if self.enabled else "off"

    def due(self, last: int, now: int) -> tuple[list[int], int]:
        """The moments to run it for now, in order, and the last one that has come (0: none) since `last`."""
        latest = self.timetable.latest(last, now)
        if not latest:
            return [], 0
        if self.catch_up == "none":
            return ([latest] if now - latest <= ON_TIME_US else []), latest
        slots = [latest]
        while self.catch_up == "all" and len(slots) < CATCH_UP_MAX:
            earlier = self.timetable.latest(last, slots[-1] - 1)
            if not earlier:
                break
            slots.append(earlier)
        return slots[::-1], latest

    def body(self, slot: int) -> bytes:
        """The input of the call for one moment."""
        if not self.moment:
            return self.input
        value: dict[str, Any] = json.decode(self.input)
        return json.encode({**value, self.moment: rfc3339(slot / US)})

    def delay_s(self, slot: int, now: int) -> float:
        """For how long the task of a moment is put off yet."""
        if not self.jitter_s:
            return 0.0
        digest = blake2b(f"{self.name}\n{slot}".encode(), digest_size=8).digest()
        return max((slot - now) / US + self.jitter_s * (int.from_bytes(digest) / (1 << 64)), 0.0)

    def ahead(self, moment: int, count: int = SHOWN) -> list[int]:
        """The next moments after one."""
        slots: list[int] = []
        while len(slots) < count and (moment := self.timetable.after(moment)):
            slots.append(moment)
        return slots
