"""What people ask of tasks: to list them, to show one, to cancel them, and to have them run again."""

from __future__ import annotations

import contextlib
import json
from itertools import islice
from typing import TYPE_CHECKING

import click

from dragoman.cli.outcome import Stop, complain, report
from dragoman.cli.screen import printable, show_table
from dragoman.cli.task_place import tasks_of
from dragoman.cli.task_view import (
    DEAD_HEADINGS,
    DELIVERY_HEADINGS,
    HEADINGS,
    dead_rows,
    delivery_rows,
    details,
    rows,
    standing,
)
from dragoman.core.fault import FailedPrecondition, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dragoman.cli.options import Whose
    from dragoman.client.desk import Document
    from dragoman.client.submitting import Submitting
    from dragoman.client.task import Task

DEAD = "DEAD"


def show_list(whose: Whose, states: Sequence[str], *, function: str, limit: int, as_json: bool) -> int:
    """List tasks; the exit code. Raises `Stop`, or the `Fault` of a host that does not answer."""
    with tasks_of(whose) as found:
        tasks = _some(found.tasks, states, function, limit)
    if as_json:
        _tell({"tasks": [each.document for each in tasks]})
    else:
        show_table(HEADINGS, rows(tasks), right=2)
    return 0


def show_dead(whose: Whose, *, function: str, limit: int, as_json: bool) -> int:
    """List dead tasks; the exit code. Raises as `show_list`."""
    with tasks_of(whose) as found:
        tasks = _some(found.tasks, (DEAD,), function, limit)
    if as_json:
        _tell({"tasks": [each.document for each in tasks]})
    else:
        show_table(DEAD_HEADINGS, dead_rows(tasks))
    return 0


def show_one(whose: Whose, id: str, *, as_json: bool) -> int:  # noqa: A002 - the public word
    """Show a task; the exit code. Raises as `show_list`."""
    with tasks_of(whose) as found:
        task = found.tasks.task(id)
        logs = task.logs()
    if as_json:
        _tell({**task.document, "logs": logs})
    else:
        for line in details(task.document, logs):
            click.echo(printable(line))
    return 0


def cancel(whose: Whose, ids: Sequence[str], *, as_json: bool) -> int:
    """Cancel tasks; the exit code, that of the first for which it cannot be done. Raises as `show_list`."""
    return _each(whose, ids, lambda tasks, id_: tasks.task(id_).cancel(), as_json=as_json)


def retry(whose: Whose, ids: Sequence[str], *, as_json: bool) -> int:
    """Have tasks run again; the exit code. Raises as `cancel`."""
    return _each(whose, ids, lambda tasks, id_: tasks.task(id_).retry(), as_json=as_json)


def retry_dead(whose: Whose, ids: Sequence[str], *, every: bool, function: str, as_json: bool) -> int:
    """Have dead tasks run again, those named or every one; the exit code. Raises as `cancel`."""
    if bool(ids) == every:
        raise Stop("name the tasks, or say --all" if not ids else "--all are all of them: leave the ids out")
    if function and not every:
        raise Stop("--function goes with --all: the ids say which they are")
    with tasks_of(whose) as found:
        if every:
            run_all_again(found.tasks.tasks(state=DEAD, function=function), as_json=as_json)
            return 0
        for task in map(found.tasks.task, ids):
            if task.state != DEAD:
                raise Stop(f"task {task.id} is {task.state}, not DEAD: dragoman task retry runs it again all the same")
            _say(task.retry(), as_json=as_json)
    return 0


def run_all_again(dead: Iterable[Task], *, as_json: bool) -> None:
    """Have dead tasks run again as they are listed, which may be very many; what somebody else has begun is left."""
    for task in dead:
        with contextlib.suppress(FailedPrecondition):
            _say(task.retry(), as_json=as_json)


def show_deliveries(whose: Whose, *, as_json: bool) -> int:
    """List the messages that nobody took; the exit code. Raises as `show_list`."""
    with tasks_of(whose) as found:
        deliveries = found.tasks.undelivered()
    if as_json:
        _tell({"deliveries": deliveries})
    else:
        show_table(DELIVERY_HEADINGS, delivery_rows(deliveries))
    return 0


def redeliver(whose: Whose, ids: Sequence[str], *, as_json: bool) -> int:
    """Have such messages sent again; the exit code. Raises as `cancel`."""
    with tasks_of(whose) as found:
        for each in ids:
            found.tasks.redeliver(each)
            if as_json:
                _tell({"id": each})
            else:
                click.echo(f"{printable(each)} is sent again")
    return 0


def _some(tasks: Submitting, states: Iterable[str], function: str, limit: int) -> list[Task]:
    found = list(islice(tasks.tasks(state=states, function=function), limit + 1))
    if len(found) > limit:
        complain(f"there are more than these {limit}: --limit shows more")
    return found[:limit]


def _each(
    whose: Whose,
    ids: Sequence[str],
    work: Callable[[Submitting, str], Document],
    *,
    as_json: bool,
) -> int:
    ended = 0
    with tasks_of(whose) as found:
        for each in ids:
            try:
                _say(work(found.tasks, each), as_json=as_json)
            except (NotFound, FailedPrecondition) as fault:
                # The others are asked for all the same.
                code = report(fault)
                ended = ended or code
    return ended


def _say(task: Document, *, as_json: bool) -> None:
    if as_json:
        _tell(task)
    else:
        click.echo(f"{task['id']} is {printable(standing(task))}")


def _tell(value: object) -> None:
    """A line of JSON."""
    click.echo(json.dumps(value, ensure_ascii=False))
