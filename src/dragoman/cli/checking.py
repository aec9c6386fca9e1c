"""`dragoman check`: everything that a project needs, looked at in turn, and all that is wrong told at once."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from dragoman.cli.finding import Finding
from dragoman.cli.local import StderrJournal
from dragoman.cli.outcome import FAILED
from dragoman.cli.remedy import missing_module, missing_program
from dragoman.cli.screen import colored, printable
from dragoman.config.environment import worker_environment
from dragoman.config.load import load
from dragoman.config.problem import ConfigError
from dragoman.contract.check import Checker
from dragoman.contract.function import ContractError
from dragoman.core.call import Codec
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, NotFound
from dragoman.host.assemble import builder, launch_confinement, parts
from dragoman.host.assemble import host as assemble_host
from dragoman.host.launching import tools_of
from dragoman.host.run import run as run_loop
from dragoman.queues.brokers import adapter_for
from dragoman.tasks.task import US
from dragoman.tasks.timetable import zone_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dragoman.building.builder import Builder
    from dragoman.building.tool import Tool
    from dragoman.config.project import Project, Source
    from dragoman.host.host import Host
    from dragoman.queues.options import QueueOptions
    from dragoman.sandbox.spawning import SpawnerConfinement
    from dragoman.tasks.schedule import Schedule

REACH_S_MAX = 5.0
"""Longer than three tries of a connection whose packets are lost."""


def run(paths: tuple[str, ...], *, as_json: bool) -> int:
    """Check and tell; the exit code."""
    findings = list(_all(paths))
    well = all(finding.well for finding in findings)
    if as_json:
        told = [finding._asdict() for finding in findings]
        click.echo(json.dumps({"ok": well, "findings": told}, ensure_ascii=False))
    else:
        for finding in findings:
            _show(finding)
        wrong = sum(not finding.well for finding in findings)
        click.echo("All is well." if well else f"{wrong} of {len(findings)} checks found something wrong.")
    return 0 if well else FAILED


def _show(finding: Finding) -> None:
    marks = ("\x1b[32m✓\x1b[0m", "\x1b[31m✗\x1b[0m") if colored() else ("ok  ", "FAIL")
    first, *rest = finding.detail.splitlines() or [""]
    click.echo(f"{marks[0] if finding.well else marks[1]} {finding.topic}: {printable(first)}")
    for line in rest:
        click.echo(f"       {printable(line)}")
    if finding.remedy:
        click.echo(f"       to mend: {finding.remedy}")


def _all(paths: tuple[str, ...]) -> Iterator[Finding]:
    yield Finding("python", well=True, detail=f"{platform.python_version()}, {sys.executable}")
    try:
        project = load(paths)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("project", well=False, detail=str(problem))
        return
    place = project.file or project.folder
    count = len(project.sources)
    yield Finding("project", well=True, detail=f"{place}, {count} source{'' if count == 1 else 's'}")
    missing: set[str] = set()
    for source in project.sources.values():
        for finding in programs(source):
            yield finding
            missing |= set() if finding.well else {source.name}
    yield from run_loop(_checked(project, missing))
    if not project.queues and all(source.upstream is None for source in project.sources.values()):
        yield Finding("services", well=True, detail="this project needs none")


def programs(source: Source) -> Iterator[Finding]:
    """Whether the program of an executable source is where its workers will look for it."""
    command = source.command if source.upstream is None else source.upstream.command
    if not command:
        return
    program = command[0]
    path = worker_environment(source.env)["PATH"]
    found = shutil.which(program, path=path)
    topic = f"program of {source.name}"
    if found:
        yield Finding(topic, well=True, detail=found)
    else:
        yield Finding(topic, well=False, detail=f"there is no {program} on {path}", remedy=missing_program(program))


async def _checked(project: Project, missing: set[str]) -> list[Finding]:
    """Look at tools, start every source, and look at what they offer (but for the `missing`) and what confines them."""
    confinement = launch_confinement()
    journal = StderrJournal(quiet=True)
    made = parts(project, lambda _: journal, confinement, runs_tasks=False)
    host = assemble_host(made)
    try:
        findings = [finding async for finding in toolchains(project, builder(made, journal))]
        findings.append(await _confined(confinement))
        faults = await host.start()
        for name in (name for name in project.sources if name not in missing):
            findings += _source(host, name, faults.get(name))
            if name not in faults:
                findings += [finding async for finding in reachable(host, name)]
        findings += [await ahead(host, each) for each in project.schedules.values()]
        findings += [bound(each) for each in project.queues.values()]
        return findings
    finally:
        await host.stop(0)


async def ahead(host: Host, schedule: Schedule) -> Finding:
    """When a schedule runs next, and whether its call could be submitted as it stands."""
    topic, zone = f"schedule {schedule.name}", zone_of(schedule.zone)
    now = int(SystemClock().now() * US)
    slots = [datetime.fromtimestamp(slot / US, zone).isoformat(" ", "seconds") for slot in schedule.ahead(now)]
    try:
        target = host.registry.find(schedule.function).target
        await host.tasking.functions.admit(host.call(target, schedule.body(now), Codec.JSON, Codec.JSON))
    except Fault as fault:
        return Finding(topic, well=False, detail=f"{schedule.function} cannot be run: {fault.detail}")
    if not schedule.enabled:
        return Finding(topic, well=True, detail=f"{schedule.function}, switched off")
    return Finding(topic, well=True, detail="\n".join((f"{schedule.function}, {schedule.told}; next", *slots)))


def bound(queue: QueueOptions) -> Finding:
    """Whether what speaks with a queue's broker is installed. The broker itself may be away for as long as it likes."""
    topic = f"queue {queue.name}"
    try:
        adapter_for(queue)
    except NotFound as fault:
        why, _, remedy = fault.detail.partition(": ")
        return Finding(topic, well=False, detail=why, remedy=remedy)
    if not queue.source:
        return Finding(topic, well=True, detail=f"messages go to {queue.to} ({queue.kind})")
    function = queue.function or "the function that it names"
    return Finding(topic, well=True, detail=f"each message of {queue.source} ({queue.kind}) to {function}")


async def reachable(host: Host, name: str) -> AsyncIterator[Finding]:
    """Whether a service answers. One that the host starts has been waited for already."""
    options = host.project.sources[name].upstream
    if options is None or options.command:
        return
    from dragoman.host.upstream import UpstreamSource  # noqa: PLC0415 - the HTTP client, which few projects need

    hosted = host.registry.sources[name]
    assert isinstance(hosted, UpstreamSource)
    why = await hosted.reach(REACH_S_MAX)
    remedy = "start the service, or correct its address" if why else ""
    yield Finding(f"service of {name}", well=not why, detail=why or f"{hosted.place} takes connections", remedy=remedy)


async def toolchains(project: Project, made: Builder) -> AsyncIterator[Finding]:
    """Whether the tools that sources are built and run with are there, each once; and how to get those that are not."""
    wanted: dict[str, tuple[Tool, list[str]]] = {}
    for source in project.sources.values():
        if source.kind == "guest":
            for tool in dict.fromkeys(tools_of(source)):
                wanted.setdefault(tool.program, (tool, []))[1].append(source.name)
    for tool, names in wanted.values():
        found, missing = await made.look((tool,))
        topic = f"{tool.program} for {', '.join(names)}"
        for there in found.values():
            yield Finding(topic, well=True, detail=f"{there.version or tool.program}, {there.path}")
        for lacking in missing:
            yield Finding(topic, well=False, detail=lacking.why, remedy=tool.install)


async def _confined(confinement: SpawnerConfinement) -> Finding:
    try:
        report = await confinement.report()
    except OSError as error:
        return Finding("confinement", well=False, detail=str(error))
    names = {
        "no_new_privileges": "no new privileges",
        "own_session": "a session of its own",
        "orphans_adopted": "the whole process tree is killed",
    }
    missing = [text for key, text in names.items() if not report[key]]
    if missing:
        return Finding("confinement", well=False, detail=f"not in force here: {', '.join(missing)}")
    what = f"tier {report['tier']}: {', '.join(names.values())}, limits, a clean environment"
    return Finding("confinement", well=True, detail=what)


def _source(host: Host, name: str, fault: Fault | None) -> Iterator[Finding]:
    topic = f"source {name}"
    if fault is not None:
        yield Finding(topic, well=False, detail=fault.detail, remedy=missing_module(fault.detail))
        return
    entries = [entry for entry in host.registry.entries.values() if entry.source.name == name]
    yield from (Finding("project", well=False, detail=wrong) for wrong in host.registry.strangers(name))
    broken = [problem for entry in entries for problem in _schemas(entry.target.name, entry.contract)]
    if broken:
        yield from (Finding(f"contract of {function}", well=False, detail=why) for function, why in broken)
    elif entries:
        names = ", ".join(sorted(entry.target.name for entry in entries))
        yield Finding(topic, well=True, detail=f"starts, and offers {names}")
    else:
        yield Finding(
            topic, well=False, detail="starts, and offers no function", remedy="annotate the parameters of a function"
        )


def _schemas(function: str, contract: object) -> Iterator[tuple[str, str]]:
    for side in ("input", "output"):
        try:
            Checker(getattr(contract, side))
        except ContractError as error:
            yield function, f"{side}: {error}"
