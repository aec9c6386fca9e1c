"""A project hosted for one command: started beside the command's own work, and ended with it.

A call waits for the source that it needs, and for builds, which may take longer than the time that a call has: one
function may call another. For nothing else: the other sources go on starting beside it.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from dragoman.cli.outcome import complain
from dragoman.cli.screen import on_terminal, printable
from dragoman.core.event import Log
from dragoman.core.fault import NotFound
from dragoman.host.assemble import host as assemble_host
from dragoman.host.assemble import launch_confinement, parts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from dragoman.config.project import Project
    from dragoman.core.call import Call
    from dragoman.core.event import Event, Progress
    from dragoman.core.fault import Fault
    from dragoman.host.host import Host
    from dragoman.host.journal import Journal
    from dragoman.host.registry import Entry

POLL_S = 0.05
"""How often a source that starts is looked at: much less than a start takes."""

SHOWN_MAX = 20
BAR_CELLS = 24


class LocalHost:
    """A host that starts."""

    def __init__(self, host: Host, starting: asyncio.Future[dict[str, Fault]]) -> None:
        self.host = host
        self._starting = starting

    async def started(self) -> dict[str, Fault]:
        """Wait for every source; why, for those that cannot start."""
        return await asyncio.shield(self._starting)

    async def entry(self, name: str) -> Entry:
        """A function, as soon as its source has started. Raises the `Fault` that says why there is none."""
        registry = self.host.registry
        source = name.partition(".")[0]
        if source not in self.host.project.sources:
            raise unknown(name, self.host.project.sources)
        while name not in registry.entries:
            hosted = registry.sources.get(source)
            if hosted is not None and hosted.fault is not None:
                raise registry.missing(name)
            if self._starting.done():
                self._starting.result()
            if self._starting.done() or (hosted is not None and registry.serves(hosted)):
                raise unknown(name, registry.entries)
            await asyncio.wait((self._starting,), timeout=POLL_S)
        await self.host.built()
        return registry.entries[name]


@asynccontextmanager
async def hosted(project: Project, journal: Journal) -> AsyncGenerator[LocalHost]:
    """Start a project's sources, and end them with the block."""
    # Tasks may be submitted to it, and wait for a host that stays.
    host = assemble_host(parts(project, lambda _: journal, launch_confinement(), runs_tasks=False))
    starting = asyncio.ensure_future(host.start())
    await asyncio.sleep(0)
    try:
        yield LocalHost(host, starting)
    finally:
        starting.cancel()
        await host.stop(0)


def unknown(name: str, known: Iterable[str]) -> NotFound:
    """The fault of a name that is none of the known ones."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    shown = ", ".join(names[:SHOWN_MAX]) + (", …" if len(names) > SHOWN_MAX else "")
    hint = f"did you mean {near[0]}?" if near else f"there are: {shown}"
    return NotFound(f"there is no function {name!r}; {hint}", function=name)


class StderrJournal:
    """What workers print and log, on standard error as it comes; a call's progress as a bar, or lines elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        """`quiet` leaves out what the functions say, and keeps what goes wrong."""
        self._quiet = quiet
        self._bar = False

    def event(self, source: str, pid: int, call: Call | None, event: Event) -> None:
        """Print one line, or draw the bar anew."""
        if not pid and not isinstance(event, Log):
            self._building(source, event)
            return
        del call
        if self._quiet:
            return
        if isinstance(event, Log):
            self._line(log_line(event))
        else:
            self._progress(event)

    def note(self, level: str, message: str, source: str, pid: int) -> None:
        """Print what happened to a worker, unless it is the way of things; and what is built, which takes its time."""
        if level == "warning" or (level == "info" and not pid):
            self._line(f"{source}: {message}")

    def failed(self, fault: Fault) -> None:
        """Nothing: whoever submitted the task is told."""

    def finish(self) -> None:
        """End the line of the bar, or of a build."""
        if self._bar:
            self._bar = False
            click.echo(err=True)

    def _line(self, line: str) -> None:
        self.finish()
        complain(line)

    def _building(self, source: str, event: Progress) -> None:
        """Show the line that a tool printed last, in place of the one before: on a terminal alone."""
        if on_terminal(sys.stderr):
            line = f"{source}: {printable(event.message)}"[: shutil.get_terminal_size().columns - 1]
            click.echo(f"\r\x1b[2K{line}", nl=False, err=True)
            self._bar = True

    def _progress(self, event: Progress) -> None:
        share = min(max(event.share, 0.0), 1.0)
        said = printable(event.message)
        if not on_terminal(sys.stderr):
            complain(f"{share:.0%} {said}".rstrip())
            return
        filled = round(share * BAR_CELLS)
        bar = "━" * filled + "╌" * (BAR_CELLS - filled)
        click.echo(f"\r\x1b[2K{bar} {share:4.0%} {said}", nl=False, err=True)
        self._bar = True


def log_line(event: Log) -> str:
    """A line of the log for people: printed output as it is, logged lines with their level and fields."""
    fields = "".join(f" {name}={value}" for name, value in event.fields.items())
    return f"{event.message}{fields}" if event.stream != "log" else f"{event.level}: {event.message}{fields}"
