"""Where attempts are made: what a runner needs to know of the functions of its host, and of the room for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core.call import Call
    from dragoman.core.fault import Fault
    from dragoman.core.service import Pending
    from dragoman.tasks.options import TaskOptions
    from dragoman.tasks.state import Step
    from dragoman.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Job:
    """A function that can be run here. Those of one `group` share their places: they are of one source."""

    group: str
    options: TaskOptions


@dataclass(frozen=True, slots=True)
class Room:
    """How many calls a group may run at a time, how many it runs, and how many wait for a place, tasks included.

    `offered` counts the calls that came so far, those aside that functions have made.
    """

    places: int
    busy: int = 0
    waiting: int = 0
    offered: int = 0


class Works(Protocol):
    """The functions of a host."""

    def jobs(self) -> Mapping[str, Job]:
        """What can be run, by full name."""
        ...

    def room(self, group: str) -> Room:
        """What there is room for now."""
        ...

    def offered(self) -> int:
        """The calls that came so far to all groups, those aside that functions have made."""
        ...

    def call(self, task: Task) -> Call:
        """One more call of a task's function, without a deadline. Raises the `Fault` of one that is not there."""
        ...

    def run(self, call: Call) -> Pending:
        """Run a call through its function's stack. Never raises."""
        ...

    def failed(self, task: Task, fault: Fault, step: Step) -> None:
        """An attempt has failed, and this comes of it."""
        ...

    def trouble(self, message: str) -> None:
        """Something is wrong with the store, or was and is over."""
        ...
