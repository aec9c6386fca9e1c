"""The schedules of a project, on one of its hosts: what their calls are, and that a changed file changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core.call import Codec
from dragoman.core.fault import FailedPrecondition, Started
from dragoman.core.terms import Terms
from dragoman.tasks.scheduler import Scheduler
from dragoman.tasks.tasks import said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.config.project import Project
    from dragoman.host.journal import Journal
    from dragoman.host.registry import Entry
    from dragoman.host.tasking import Tasking
    from dragoman.host.works import Hosting
    from dragoman.tasks.runner import Runner
    from dragoman.tasks.schedule import Schedule
    from dragoman.tasks.store import Store
    from dragoman.tasks.task import Submission

CALLER = "schedule:"
"""Who calls, before the schedule's name: its tasks take turns with those of others."""


class Scheduling:
    """Fires schedules from when the store is open."""

    def __init__(self, host: Hosting, journal: Journal, tasking: Tasking) -> None:
        self.scheduler: Scheduler | None = None
        self._host = host
        self._journal = journal
        self._tasking = tasking
        self._known: Mapping[str, Schedule] = {}

    def wanted(self, project: Project) -> bool:
        """Whether there are any that do not rest."""
        return any(schedule.enabled for schedule in project.schedules.values())

    async def begin(self, tasking: Tasking, store: Store, runner: Runner) -> None:  # noqa: ARG002 - the port's
        """Fire the project's schedules, and those that it has later."""
        around, counted = self._host.world.surroundings, tasking.meter.schedules
        self.scheduler = Scheduler(store, self._draw, around.clock, around.call_later, self._note, counted)
        self._known = self._host.project.schedules
        self.scheduler.start(self._known.values())
        self._host.registry.on_change.append(self._changed)

    async def end(self) -> None:
        """Fire nothing more."""
        if self.scheduler is not None:
            self._host.registry.on_change.remove(self._changed)
            await self.scheduler.stop()

    async def look(self) -> list[dict[str, Any]]:
        """The schedules as an operator sees them. Raises `UNAVAILABLE` where the store cannot be asked."""
        return await said((await self._begun()).look())

    async def trigger(self, name: str) -> str:
        """Run a schedule's function now; the task's id. Raises `NOT_FOUND`, and the `Fault` of its call."""
        return await said((await self._begun()).trigger(name))

    async def _begun(self) -> Scheduler:
        await said(self._tasking.open())
        if self.scheduler is None:
            raise FailedPrecondition("this host runs no tasks, and no schedules", started=Started.NO)
        return self.scheduler

    def _changed(self, _: Mapping[str, Entry]) -> None:
        schedules = self._host.project.schedules
        if self.scheduler is not None and schedules != self._known:
            self._known = schedules
            self.scheduler.renew(schedules.values())

    async def _draw(self, schedule: Schedule, body: bytes, delay_s: float, /) -> Submission:
        """What a schedule's call would be stored as.

        Raises the `Fault` of a function that cannot be submitted so, and `RESOURCE_EXHAUSTED` where too many wait.
        """
        call = self._host.call(self._host.registry.find(schedule.function).target, body, Codec.JSON, Codec.JSON)
        call.caller = CALLER + schedule.name
        drawn = await self._tasking.tasks.draw(call, Terms(delay_s=delay_s), schedule=schedule.name)
        await self._tasking.tasks.make_room(drawn.function)
        self._tasking.due(drawn.deadline)
        return drawn

    def _note(self, message: str) -> None:
        self._journal.note("warning", message, "", 0)
