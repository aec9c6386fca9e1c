"""Runs schedules: at each of their moments a task is stored, once, however many hosts have the same schedules.

Every host has the same moments and asks the store to fire them; the store lets one through, and none that is not later
than the last one (`Store.fire`). There is one timer, for the next moment of all. It also looks at the clock every few
seconds, in memory alone: nobody is told when a machine's clock is set, or when it wakes from sleep.

What was fired last decides what is due, and never how long a timer ran. So a clock that jumps ahead by an hour brings
what the schedule's rule for missed moments says, and one that jumps back brings nothing a second time.

A schedule that is not to overlap asks, at each moment, for a task of it that is not over, whichever host has it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.core.fault import Fault, NotFound, Started
from dragoman.core.moment import rfc3339
from dragoman.tasks.state import State
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.task import US, Query

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable, Iterable

    from dragoman.core.clock import CallLater, Clock, Timer
    from dragoman.tasks.schedule import Schedule
    from dragoman.tasks.store import Store
    from dragoman.tasks.task import Submission

LOOK_S = 5.0
"""How long a clock that was set may stay unseen; two numbers are compared."""
PAUSE_S = 1.0
PAUSE_S_MAX = 60.0
"""Between tries to fire what could not be fired: the store is away, or the function not in service yet."""
SAID_S = 3600.0
"""How often it is said again of one schedule that it passes moments over: one that is always late is no news."""
OPEN = frozenset(state for state in State if not state.over)
FIRED, SKIPPED, FAILED = "fired", "skipped", "failed"
"""What becomes of a moment, as it is counted."""


class Draw(Protocol):
    """Makes the submission of a schedule's task."""

    def __call__(self, schedule: Schedule, body: bytes, delay_s: float, /) -> Awaitable[Submission]:
        """What the call of its function would be stored as. Raises its `Fault`."""
        ...


class _Course:
    """Where one schedule stands. `last` is the moment fired last; None before the store said it, -1 to begin now."""

    def __init__(self, schedule: Schedule, last: int | None = None) -> None:
        self.schedule = schedule
        self.last = last
        self.next = 0
        self.trouble = ""
        self.skipping = ""
        """The task for which moments are passed over."""
        self.unsaid = 0
        """Moments that were passed over since it was said."""
        self.said_at = float("-inf")
        self.failures = 0
        self.again_at = 0.0
        self.firing: asyncio.Task[None] | None = None


class Scheduler:
    """The schedules of one host."""

    def __init__(
        self,
        store: Store,
        draw: Draw,
        clock: Clock,
        call_later: CallLater,
        note: Callable[[str], object],
        counted: Counter[tuple[str, str]],
    ) -> None:
        """`note` is told, for people, what keeps a schedule from being fired. `counted` gets schedules and outcomes."""
        self._store = store
        self._draw = draw
        self._clock = clock
        self._call_later = call_later
        self._note = note
        self._counted = counted
        self._courses: dict[str, _Course] = {}
        self._timer: Timer | None = None
        self._running = False

    def start(self, schedules: Iterable[Schedule]) -> None:
        """Fire these from now on."""
        self._running = True
        self._courses = {each.name: _Course(each) for each in schedules}
        self._look()

    def renew(self, schedules: Iterable[Schedule]) -> None:
        """Have these in place of those before. One that is new or changed begins now, and catches up with nothing."""
        before, self._courses = self._courses, {}
        for each in schedules:
            course = before.get(each.name)
            if course is None or course.schedule != each:
                course = _Course(each)
                course.last = -1
            else:
                del before[each.name]
            self._courses[each.name] = course
        for course in before.values():
            if course.firing is not None:
                course.firing.cancel()
        if self._running:
            self._look()

    async def stop(self) -> None:
        """Fire nothing more."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
        firing = [course.firing for course in self._courses.values() if course.firing is not None]
        for task in firing:
            task.cancel()
        await asyncio.gather(*firing, return_exceptions=True)

    async def trigger(self, name: str) -> str:
        """Run one now, whatever its moments are; the task's id. Raises `NOT_FOUND`, and the `Fault` of its call."""
        schedule = self._find(name).schedule
        now = self._now()
        submission = await self._draw(schedule, schedule.body(now), 0.0)
        (told,) = await self._store.submit([submission])
        return told.id

    async def look(self) -> list[dict[str, Any]]:
        """Each schedule as people see it: what it runs, when it did last, when it does next, and what is wrong."""
        return [await self._shown(course) for course in self._courses.values()]

    async def _shown(self, course: _Course) -> dict[str, Any]:
        schedule = course.schedule
        last = await self._store.last_slot(schedule.name)
        ahead = schedule.ahead(max(self._now(), course.last or 0)) if schedule.enabled else []
        return {
            "name": schedule.name,
            "function": schedule.function,
            "when": schedule.written,
            "zone": schedule.zone,
            "catch_up": schedule.catch_up,
            "enabled": schedule.enabled,
            # Where it began is no moment of its own.
            "last": rfc3339(last / US) if last and schedule.timetable.after(last - 1) == last else None,
            "next": [rfc3339(slot / US) for slot in ahead],
            "overlap": schedule.overlap,
            "skipping": course.skipping or None,
            "trouble": course.trouble or None,
        }

    def _find(self, name: str) -> _Course:
        try:
            return self._courses[name]
        except KeyError:
            raise NotFound(f"there is no schedule {name[:64]!r} in this project", started=Started.NO) from None

    def _now(self) -> int:
        return int(self._clock.now() * US)

    def _look(self) -> None:
        """Fire what is due, and come back for the next moment."""
        if self._timer is not None:
            self._timer.cancel()
        now, monotonic = self._now(), self._clock.monotonic()
        wait_s = LOOK_S
        for course in self._courses.values():
            if not course.schedule.enabled or course.firing is not None:
                continue
            late_s = course.again_at - monotonic
            if late_s <= 0 and (course.last is None or course.last < 0 or course.next <= now):
                course.firing = asyncio.ensure_future(self._fire(course))
                course.firing.add_done_callback(lambda _, course=course: self._fired(course))
            else:
                wait_s = min(wait_s, max(late_s, (course.next - now) / US))
        self._timer = self._call_later(max(wait_s, 0.0), self._look)

    def _fired(self, course: _Course) -> None:
        course.firing = None
        if self._running and self._courses.get(course.schedule.name) is course:
            self._look()

    async def _fire(self, course: _Course) -> None:
        """Fire what has come of one schedule."""
        try:
            await self._advance(course)
        except (StoreFailed, Fault) as error:
            self._failed(course, str(error))
        except Exception as error:  # noqa: BLE001 - one schedule that cannot be fired is not to end the others
            self._failed(course, f"{type(error).__name__}: {error}")
        else:
            course.failures = 0
            course.again_at = 0.0
            course.trouble = ""

    def _failed(self, course: _Course, why: str) -> None:
        course.again_at = self._clock.monotonic() + min(PAUSE_S * 2.0 ** min(course.failures, 10), PAUSE_S_MAX)
        course.failures += 1
        self._counted[course.schedule.name, FAILED] += 1
        if why != course.trouble:
            course.trouble = why
            self._note(f"schedule {course.schedule.name} cannot be fired now, and is tried again: {why}")

    async def _advance(self, course: _Course) -> None:
        schedule = course.schedule
        if course.last is None or course.last < 0:
            course.last = await self._begin(schedule, fresh=course.last is not None)
        if schedule.catch_up == "all":
            # A third of a second where a thousand were missed.
            slots, latest = await asyncio.to_thread(schedule.due, course.last, self._now())
        else:
            slots, latest = schedule.due(course.last, self._now())
        for slot in slots:
            await self._fire_one(course, slot)
            course.last = slot
        if latest > course.last:
            await self._store.fire(schedule.name, latest, None)
            course.last = latest
        course.next = schedule.timetable.after(course.last) or 1 << 62

    async def _fire_one(self, course: _Course, slot: int) -> None:
        """Have one moment's task stored, or pass the moment over. Does nothing where another host has."""
        schedule = course.schedule
        if schedule.overlap == "skip" and (before := await self._under_way(schedule.name)):
            if await self._store.fire(schedule.name, slot, None):
                self._skipped(course, before)
            return
        course.skipping = ""
        submission = await self._draw(schedule, schedule.body(slot), schedule.delay_s(slot, self._now()))
        if await self._store.fire(schedule.name, slot, submission):
            self._counted[schedule.name, FIRED] += 1

    def _skipped(self, course: _Course, before: str) -> None:
        """A moment was passed over for a task."""
        schedule, now = course.schedule, self._clock.monotonic()
        self._counted[schedule.name, SKIPPED] += 1
        fresh, course.skipping = before != course.skipping, before
        course.unsaid += 1
        if fresh and now - course.said_at >= SAID_S:
            more = f"; {course.unsaid} since this was last said" if course.unsaid > 1 else ""
            self._note(f"schedule {schedule.name} passes over its moments while its task {before} is not over{more}")
            course.said_at, course.unsaid = now, 0

    async def _under_way(self, name: str) -> str:
        """The id of a task of a schedule that is not over; "" where there is none."""
        found = await self._store.find(Query(OPEN, schedule=name, limit=1))
        return found[0].submission.id if found else ""

    async def _begin(self, schedule: Schedule, *, fresh: bool) -> int:
        """The moment that was fired last. One that begins now is as if it had just been fired."""
        last = await self._store.last_slot(schedule.name)
        if last and not fresh:
            return last
        now = self._now()
        await self._store.fire(schedule.name, now, None)
        return max(last, now)
