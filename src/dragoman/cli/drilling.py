"""`dragoman drill`: a rehearsal, and the report of what callers saw."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dragoman.cli.local import StderrJournal, hosted
from dragoman.cli.outcome import FAILED, Stop, complain
from dragoman.cli.place import place_of
from dragoman.cli.rehearsal import Rehearsal
from dragoman.cli.screen import show_table
from dragoman.cli.stage import LocalStage, RemoteStage, check, wait_for
from dragoman.config.drill import read_drill
from dragoman.config.load import load
from dragoman.host.run import run as run_loop
from dragoman.sandbox.tree import members

if TYPE_CHECKING:
    from dragoman.cli.place import Place
    from dragoman.config.drill import Drill

HEADINGS = (
    *("step", "function", "calls", "success", "failed with", "never ran", "ran", "may have run"),
    *("p50 ms", "p99 ms", "retries", "restarts", "chaos"),
)


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """The options as given; None where they were not."""

    url: str | None
    cacert: str | None
    as_json: bool


def run(file: str, project: str | None, options: DrillOptions) -> int:
    """Rehearse and print; the exit code."""
    drill = read_drill(Path(file))
    place = place_of(options.url, project, options.cacert)
    if place.url:
        refuse_remote(drill, file)
        report = run_loop(_at_url(drill, place))
    else:
        before = set(processes())
        report = run_loop(_hosted(drill, place, file))
        if left := set(processes()) - before:
            report["leaks"]["processes"] = len(left)
    report["failed"] += [f"left over: {count} {what}" for what, count in report["leaks"].items()]
    if options.as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        show(report)
    return FAILED if report["failed"] else 0


def refuse_remote(drill: Drill, file: str) -> None:
    """Refuse what cannot be done to a running host. Raises `Stop`."""
    if drill.needs_host:
        raise Stop(f"{file}: chaos and events are for a project that is hosted for the rehearsal, without --url")
    for step in drill.steps:
        if any(each.priority is not None for each in step.loads):
            raise Stop(f"{file}: priority is for a project that is hosted for the rehearsal, without --url")


async def _hosted(drill: Drill, place: Place, file: str) -> dict[str, Any]:
    project = load(place.paths)
    check(drill, project, file)
    async with hosted(project, StderrJournal(quiet=True)) as local:
        await wait_for(drill, local, file)
        stage = LocalStage(local.host, project)
        rehearsal = Rehearsal(drill, stage, complain)
        steps = await rehearsal.run()
        return {"drill": drill.name, "steps": steps, "leaks": await stage.leaks(), "failed": rehearsal.failed}


async def _at_url(drill: Drill, place: Place) -> dict[str, Any]:
    async with place.connect() as remote:
        rehearsal = Rehearsal(drill, RemoteStage(remote), complain)
        return {"drill": drill.name, "steps": await rehearsal.run(), "leaks": {}, "failed": rehearsal.failed}


def processes() -> list[int]:
    """The processes below this one."""
    return [pid for pid, _ in members(os.getpid())]


def show(report: dict[str, Any]) -> None:
    """Print what callers saw, and what was not as expected."""
    rows = [_row(step["step"], figures) for step in report["steps"] for figures in step["functions"]]
    show_table(HEADINGS, rows)
    for each in report["failed"]:
        complain(f"FAILED {each}")
    if not report["failed"]:
        complain("everything was as expected, and nothing was left over")


def _row(step: str, figures: dict[str, Any]) -> tuple[str, ...]:
    codes = ", ".join(f"{count} {code}" for code, count in figures["codes"].items())
    counts = figures["counts"]
    chaos = ", ".join(
        f"{count} {name.removeprefix('chaos.')}" for name, count in counts.items() if name.startswith("chaos.")
    )
    started = figures["started"]
    times = (figures["p50_ms"], figures["p99_ms"])
    return (
        *(step, figures["function"], str(figures["calls"]), f"{figures['success']:.2%}", codes or "-"),
        *(str(started[each]) for each in ("no", "yes", "unknown")),
        *("-" if time is None else f"{time:.3f}" for time in times),
        *(str(counts.get("retries", 0)), str(counts.get("restarts", 0)), chaos or "-"),
    )
