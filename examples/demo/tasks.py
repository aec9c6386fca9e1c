"""The long report as a task: stored, watched, cancelled, and how fast; and the schedule that has it run at night."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

import dragoman
from examples.demo.functions import CALLS
from examples.demo.server import PROJECT, ROOT
from examples.demo.speed import drive, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

REPORT = "reports.leads"
DRAWS = 16_000
"""Some seconds: long enough to be watched."""
DRAWS_FOR_MINUTES = 1_000_000
QUICK = "watch.judge"
CALLERS = 64
STORED_S = 1.0
FINDINGS_SHOWN = 3
SHARE_TOLD = 0.2
"""Where nobody watches, progress is a line each fifth."""
ENDS_WITHIN_S = 120.0


@dataclass(frozen=True)
class Demo:
    """Where the host is, the environment that it has, and where all of it is shown."""

    port: int
    environment: Mapping[str, str]
    console: Console

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def show_tasks(demo: Demo) -> bool:
    """Submit the report and watch it, cancel another, and store many; False where one did not end as it should."""
    console = demo.console
    console.rule("A long report, as a task")
    with dragoman.connect(demo.url) as remote:
        remote.call(QUICK, CALLS[QUICK])  # the connection is there before time is taken
        start = time.perf_counter()
        task = remote.submit(REPORT, {"draws": DRAWS})
        console.print(f"task {task.id}: stored after {_ms(time.perf_counter() - start)}", highlight=False)
        report = watch(task, console)
        if report is None:
            return False
        _say_report(report, console)
        console.print(_account(task.status()), highlight=False)
        well = _cancel_one(remote, console)
    return _store_many(demo) and well


def watch(task: Any, console: Console) -> dict[str, Any] | None:
    """Show how far a task is until it is over; what it gave, None where it did not succeed."""
    columns = BarColumn(), TaskProgressColumn(), TextColumn("{task.description}", markup=False)
    told = 0.0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        line = bar.add_task("waiting", total=1.0)
        for event in task.events():
            if event.kind != "progress":
                continue
            share, message = float(task.progress or 0.0), str(task.message or "")
            bar.update(line, completed=share, description=message)
            if not console.is_terminal and share >= told:
                console.print(f"  {share:4.0%} {message}", markup=False, highlight=False)
                told = share + SHARE_TOLD
    try:
        return task.result()
    except dragoman.Fault as fault:
        console.print(f"failed: {fault}", markup=False)
        return None


def _say_report(report: dict[str, Any], console: Console) -> None:
    title, _, about, _, *findings = report["text"].strip().splitlines()
    console.print(f"{title.removeprefix('# ')}: {about}", highlight=False)
    for finding in findings[:FINDINGS_SHOWN]:
        console.print(f"  {finding}", markup=False, highlight=False)
    if len(findings) > FINDINGS_SHOWN:
        console.print(f"  … and {len(findings) - FINDINGS_SHOWN} more", highlight=False)


def _account(document: dict[str, Any]) -> str:
    submitted, started, finished = (
        datetime.fromisoformat(document[name]) for name in ("submitted_at", "started_at", "finished_at")
    )
    waited, ran = (started - submitted).total_seconds(), (finished - started).total_seconds()
    return (
        f"{document['state']}: began {_ms(waited)} after it was stored, ran {ran:.1f} s, attempt {document['attempts']}"
    )


def _cancel_one(remote: Any, console: Console) -> bool:
    task = remote.submit(REPORT, {"draws": DRAWS_FOR_MINUTES})
    for event in task.events():
        if event.kind == "progress":
            break
    start = time.perf_counter()
    task.cancel()
    state = task.wait(ENDS_WITHIN_S)["state"]
    console.print(f"another, which would take minutes: {state} {_ms(time.perf_counter() - start)} after it was told so")
    return bool(state == "CANCELLED")


def _store_many(demo: Demo) -> bool:
    """How many tasks are stored, and done, when many submit as fast as they are answered."""
    sent = request(QUICK, CALLS[QUICK], {"Prefer": "respond-async"})
    start = time.perf_counter()
    stored = len(asyncio.run(drive(demo.port, sent, CALLERS, STORED_S, status=202)))
    stored_s = time.perf_counter() - start
    with dragoman.connect(demo.url) as remote, demo.console.status("until all have run"):
        # Tasks of one caller and priority run in the order in which they came: the newest is the last.
        last = next(iter(remote.tasks(function=QUICK)))
        last.wait(ENDS_WITHIN_S)
        while any(next(iter(remote.tasks(function=QUICK, state=state)), None) for state in ("PENDING", "RUNNING")):
            time.sleep(0.01)
        done_s = time.perf_counter() - start
        failed = next(iter(remote.tasks(function=QUICK, state="FAILED")), None)
    demo.console.print(
        f"{CALLERS} callers: {stored / stored_s:,.0f} tasks/s on the disk and accepted, "
        f"{stored / done_s:,.0f}/s from submission to result",
        highlight=False,
    )
    return failed is None


def show_schedules(demo: Demo) -> bool:
    """Show when the schedules come next, and run each once by hand; False where one failed."""
    demo.console.rule("Every night, by a schedule")
    well = True
    for each in _ask(demo, "list")["schedules"]:
        demo.console.print(
            f"{each['name']}: {each['function']} at {each['when']} {each['zone']}; next {', '.join(each['next'])}",
            markup=False,
            highlight=False,
        )
        task_id = _ask(demo, "run", each["name"])["task"]
        demo.console.print(f"dragoman schedule run {each['name']}: task {task_id}", markup=False, highlight=False)
        with dragoman.connect(demo.url) as remote:
            task = remote.task(task_id)
            report = watch(task, demo.console)
            demo.console.print(_account(task.status()), highlight=False)
        well = well and report is not None
    return well


def _ask(demo: Demo, *words: str) -> dict[str, Any]:
    """What `dragoman schedule` says of the host."""
    command = [sys.executable, "-m", "dragoman", "schedule", *words, "--project", PROJECT, "--json"]
    ran = subprocess.run(command, cwd=ROOT, env=demo.environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"demo: dragoman schedule {' '.join(words)}: {ran.stderr.strip()}")
    return json.loads(ran.stdout)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms"
