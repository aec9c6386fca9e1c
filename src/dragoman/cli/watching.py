"""`dragoman task watch`: what becomes of a task, as it comes, and its result at the end.

People see a bar, and the lines of the log above it; elsewhere they are lines alone, or with `--json` a line of JSON for
each event. The result goes to standard output; all that people read besides, to standard error.
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from dragoman.cli.entry import INTERRUPTED
from dragoman.cli.outcome import complain, exit_code, fault_lines, problem, problem_json
from dragoman.cli.place import place_of
from dragoman.cli.reply import Printer
from dragoman.cli.screen import console, on_terminal, printable
from dragoman.cli.task_place import FoundTasks, tasks_of
from dragoman.cli.task_view import standing
from dragoman.core.fault import Fault

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

    from dragoman.cli.options import Whose
    from dragoman.client.desk import TaskEvent
    from dragoman.client.task import Task

INFO, RETRYING = "info", "RETRYING"
WIDE = 100
"""Columns from which on a terminal has room for what a function says of its progress."""


class View(Protocol):
    """Shows what becomes of one task. Used in `with` while there is more to come."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave what has been shown as it is."""
        ...

    def show(self, event: TaskEvent, task: Task) -> None:
        """Something has become of it."""
        ...

    def done(self, value: Any) -> None:
        """It has given this. Raises the fault of a value that cannot be shown."""
        ...

    def failed(self, fault: Fault) -> None:
        """It has ended with this, or nothing can be learnt of it."""
        ...


def run(whose: Whose, id: str, *, as_json: bool) -> int:  # noqa: A002 - the public word
    """Watch a task, whatever becomes of its host; the exit code. Raises `Stop`, and the `Fault` of no such task."""
    with tasks_of(whose) as found:
        task = found.tasks.task(id)
        if found.served or task.over:
            return follow(task, Records() if as_json else view_for_people(task))
    complain("it goes on when a host is started (dragoman serve), which is waited for")
    with closing(FoundTasks(place_of(whose.url, whose.project, whose.cacert).paths)) as tasks:
        task = tasks.handle(task.document)
        return follow(task, Records() if as_json else view_for_people(task))


def follow(task: Task, view: View) -> int:
    """Show what becomes of a task until it is over; the exit code. Ctrl-C ends the showing alone."""
    task.on_away = away
    try:
        with view:
            for event in task.events():
                view.show(event, task)
        view.done(task.result())
    except KeyboardInterrupt:
        if not task.over:
            again = f"dragoman task watch {task.id} watches it, dragoman task cancel {task.id} ends it"
            complain(f"the task goes on: {again}")
        return INTERRUPTED
    except Fault as fault:
        fault.function = fault.function or task.function
        view.failed(fault)
        return exit_code(fault)
    return 0


def away(fault: Fault) -> None:
    """Say that the host is away."""
    complain(f"the host is away ({fault.detail}); waiting for it to be back")


def view_for_people(task: Task) -> View:
    """A bar on a terminal, and lines elsewhere."""
    return Bar(task) if on_terminal(sys.stderr) else Lines()


class Lines:
    """Plain lines on standard error."""

    def __init__(self) -> None:
        self._state = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def show(self, event: TaskEvent, task: Task) -> None:
        """Print a line."""
        if event.kind == "log":
            self.line(log_line(event))
        elif event.kind == "progress":
            self.line(f"{task.progress:.0%} {task.message}".rstrip())
        elif (state := standing(task.document)) != self._state:
            self._state = state
            self.line(state)

    def done(self, value: Any) -> None:
        """Print the result."""
        Printer(compact=False).value(value)

    def failed(self, fault: Fault) -> None:
        """Print the fault."""
        for line in fault_lines(fault):
            complain(line)

    def line(self, text: str) -> None:
        """Print a line."""
        complain(text)


class Bar(Lines):
    """A bar on a terminal, which the lines of the log pass by."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._name = task.function
        self._progress, self._bar = _drawn()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: TaskEvent, task: Task) -> None:
        """Print a line of the log, and of an attempt that failed, and draw the bar anew."""
        if event.kind == "log":
            self.line(log_line(event))
            return
        if event.kind == "state" and event.data.get("state") == RETRYING:
            self.line(standing(event.data))
        said = printable(task.message) if self._progress.console.width >= WIDE else ""
        state = task.state if task.state == RETRYING else standing(task.document)
        self._progress.update(
            self._bar,
            description=printable(f"{self._name} {state}"),
            total=1.0 if task.progress else None,
            completed=task.progress,
            said=said,
        )

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(printable(text), soft_wrap=True)


class Records(Lines):
    """Each event as a line of JSON on standard output."""

    def __init__(self) -> None:
        super().__init__()
        self._printer = Printer(compact=True)

    def show(self, event: TaskEvent, task: Task) -> None:  # noqa: ARG002 - the port's words
        """Print an event."""
        self._record(event.kind, event.data, seq=event.seq)

    def done(self, value: Any) -> None:
        """Print the result."""
        self._record("result", value)

    def failed(self, fault: Fault) -> None:
        """Print the fault."""
        self._record("fault", problem(fault))

    def _record(self, kind: str, data: Any, **more: Any) -> None:
        self._printer.item({"kind": kind, **more, "data": data})


class Bare(Lines):
    """For programs that want the end alone: the reply, or the problem document, as those of a call."""

    def show(self, event: TaskEvent, task: Task) -> None:
        """Pass it over."""

    def done(self, value: Any) -> None:
        """Print the result."""
        Printer(compact=True).value(value)

    def failed(self, fault: Fault) -> None:
        """Print the fault."""
        click.echo(problem_json(fault))


def log_line(event: TaskEvent) -> str:
    """A line of a task's log for people: with its level, where that is not the usual one."""
    level, message = str(event.data.get("level", INFO)), str(event.data.get("message", ""))
    return message if level == INFO else f"{level}: {message}"


def _drawn() -> tuple[Progress, TaskID]:
    from rich.progress import (  # noqa: PLC0415 - rich only where it draws
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}", markup=False),
    )
    progress = Progress(*columns, console=console(sys.stderr), transient=True)
    return progress, progress.add_task("", total=None, said="")
