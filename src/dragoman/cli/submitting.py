"""`dragoman task submit`: a call that is stored as a task, and its id; or its result, where that is waited for."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from dragoman.cli.asked import input_of, read_words
from dragoman.cli.outcome import Stop, complain, exit_code, fault_lines, problem_json
from dragoman.cli.place import place_of
from dragoman.cli.screen import on_terminal
from dragoman.cli.task_place import NO_HOST, FoundTasks
from dragoman.cli.watching import Bare, follow, view_for_people
from dragoman.client.order import order_of
from dragoman.core.fault import Fault

if TYPE_CHECKING:
    from dragoman.cli.asked import Asked
    from dragoman.cli.options import Whose
    from dragoman.cli.place import Place
    from dragoman.client.desk import Document
    from dragoman.client.native_remote import NativeRemote
    from dragoman.client.order import Wanted
    from dragoman.client.remote import Remote
    from dragoman.client.task import Task


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """The options as given; None where they were not."""

    delay: float | None
    deadline: float | None
    timeout: float | None
    attempts: int | None
    key: str | None
    priority: str | None
    callback: str | None
    wait: bool
    raw: bool
    as_json: bool

    def wanted(self) -> Wanted:
        """What is asked of the task besides its input. Raises `Stop` for words that mean nothing."""
        wanted: Wanted = {
            "delay": self.delay,
            "deadline": self.deadline,
            "timeout": self.timeout,
            "attempts": self.attempts,
            "key": self.key,
            "priority": self.priority,
            "callback": self.callback,
        }
        try:
            order_of(**wanted)
        except ValueError as error:
            raise Stop(str(error)) from None
        return wanted


def run(function: str, words: tuple[str, ...], whose: Whose, options: SubmitOptions) -> int:
    """Submit, print, and give the exit code. Raises `Stop` or `ConfigError` where there is nothing to submit to."""
    asked = read_words(function, words, raw=options.raw)
    given = options.wanted()
    place = place_of(whose.url, whose.project, whose.cacert)
    try:
        if place.url:
            with place.connect() as remote:
                return _submit(remote, asked, given, options)
        with closing(FoundTasks(place.paths)) as found:
            if found.served:
                return _submit(found, asked, given, options)
        return _submit_hosted(place, asked, given, options)
    except Fault as fault:
        fault.function = fault.function or function
        if options.as_json:
            click.echo(problem_json(fault))
        else:
            for line in fault_lines(fault):
                complain(line)
        return exit_code(fault)


def _submit(tasks: Remote | NativeRemote | FoundTasks, asked: Asked, given: Wanted, options: SubmitOptions) -> int:
    contract = tasks.contract(asked.function) if asked.named else None
    task: Task = tasks.submit(asked.function, input_of(asked, contract), **given)
    if not options.wait:
        tell(task.document, options)
        return 0
    return follow(task, Bare() if options.as_json else view_for_people(task))


def _submit_hosted(place: Place, asked: Asked, given: Wanted, options: SubmitOptions) -> int:
    """Host the project for as long as it takes to check the call and to store it."""
    from dragoman.cli.local import StderrJournal, hosted  # noqa: PLC0415 - the host, which a running one spares
    from dragoman.config.load import load  # noqa: PLC0415 - as above
    from dragoman.host.desk import HostDesk  # noqa: PLC0415 - as above
    from dragoman.host.run import run as run_loop  # noqa: PLC0415 - as above

    project = load(place.paths)
    if options.wait:
        raise Stop(f"{NO_HOST}, so that --wait would wait for ever: start one with dragoman serve")
    journal = StderrJournal(quiet=True)

    async def work() -> Document:
        async with hosted(project, journal) as local:
            try:
                entry = await local.entry(asked.function)
                value = input_of(asked, entry.contract)
                return await HostDesk(local.host).submit(asked.function, value, order_of(**given))
            finally:
                journal.finish()

    document = run_loop(work())
    tell(document, options)
    complain(f"{NO_HOST}: the task is stored, and runs when one is started (dragoman serve)")
    return 0


def tell(document: Document, options: SubmitOptions) -> None:
    """Print a task that is stored."""
    if options.as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    click.echo(document["id"])
    if on_terminal() and on_terminal(sys.stderr):
        complain(f"stored; dragoman task watch {document['id']} shows what becomes of it")
