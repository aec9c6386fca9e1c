"""The report: Markdown for people, JSON for machines, the same figures in both."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.servers import find_go

if TYPE_CHECKING:
    from bench.outcome import Comparison, Plan, Target

FOLDER = Path(__file__).parent / "report"
PACKAGES = ("dragoman", "uvicorn", "uvloop", "httptools", "msgspec", "fastapi", "pydantic", "grpcio")
PACKAGES += ("huey", "dbos", "rq", "celery", "procrastinate", "pgqueuer", "faststream", "redis", "asyncpg")
PROGRAMS = {"wrk": ("-v",), "awk": ("-W", "version")}
NAMES = {
    "rate_s": "calls/s",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "server_cpu_us": "server CPU µs/call",
    "workers_cpu_us": "workers CPU µs/call",
    "one_p50_us": "p50 µs, 1 connection",
    "one_pinned_p50_us": "… on one core",
    "pinned_p50_us": "p50 µs on one core",
    "caller_cpu_us": "caller CPU µs/call",
    "others_cpu_us": "others CPU µs/call",
    "own_us": "own µs/call",
    "submit_s": "submits/s",
    "whole_s": "tasks/s, end to end",
    "start_ms": "p50 ms to start",
    "messages_s": "messages/s",
    "claim_us": "claim, µs/task",
    "submit_us": "submit, µs/task",
    "list_us": "list, µs",
    "tasks_s": "tasks/s beside",
    "tasks_alone_s": "tasks/s alone",
    "time_ms": "ms",
    "host_mb": "host MB",
    "worker_mb": "largest worker MB",
    "tree_mb": "whole tree MB",
    "rss_mb": "resident MB",
    "pss_mb": "proportional MB",
    "uss_mb": "its own MB",
    "zygote_mb": "zygote MB",
    "processes": "processes",
    "host_fds": "host descriptors",
    "zygote_fds": "zygote descriptors",
}


def load() -> str:
    """How busy the machine is now: processes that want to run, and what a hypervisor has taken from it so far."""
    wanting = os.getloadavg()[0]
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return f"{wanting:.1f} processes running in the minute before, {ticks[7] / sum(ticks):.1%} of its time stolen"


def machine(busy: str = "") -> dict[str, str]:
    """What the figures were measured on, and with; `busy` is its `load` at the start."""
    facts = {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "load": busy or load(),
        "system": f"{platform.system()} {platform.release()}",
        "commit": _first_line(["git", "describe", "--always", "--dirty"]),
        "Python": sys.version.split()[0],
    }
    for package in PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            facts[package] = "not installed"
    facts["go"] = _first_line([find_go() or "go", "version"])
    for program, asking in PROGRAMS.items():
        facts[program] = _first_line([program, *asking])
    return facts


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return "not installed"
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL)
    said = (done.stdout or done.stderr).strip()
    return said.splitlines()[0] if said else "unknown"


def as_json(comparisons: list[Comparison], facts: dict[str, str], plan: Plan) -> str:
    """Everything that was found, with the verdicts."""
    value = {"machine": facts, "plan": dataclasses.asdict(plan), "comparisons": [_plain(each) for each in comparisons]}
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _plain(comparison: Comparison) -> dict[str, Any]:
    value = dataclasses.asdict(comparison)
    for plain, target in zip(value["targets"], comparison.targets, strict=True):
        plain["verdict"] = target.verdict
    return value


def as_markdown(comparisons: list[Comparison], facts: dict[str, str], plan: Plan) -> str:
    """The report as people read it."""
    parts = ["# Dragoman beside its peers\n", "| | |\n|---|---|"]
    parts += [f"| {name} | {value} |" for name, value in facts.items()]
    parts.append(f"\nContestants took {plan.turns} turns each, in the order A-B-A-B; every figure is a median.\n")
    parts.append(summary(comparisons))
    parts += [section(each) for each in comparisons]
    return "\n".join(parts)


def section(comparison: Comparison) -> str:
    """One comparison as Markdown: its table, its targets, its notes."""
    names = list(dict.fromkeys(name for row in comparison.rows for name in row.figures))
    lines = [f"## {comparison.title}\n"]
    if comparison.rows:
        lines.append("| | " + " | ".join(NAMES.get(name, name) for name in names) + " |")
        lines.append("|---|" + "---:|" * len(names))
    for row in comparison.rows:
        cells = [_figure(row.figures.get(name)) for name in names]
        lines.append(f"| {row.contestant} | " + " | ".join(cells) + " |")
    if comparison.targets:
        lines += ["", "| target | bound | measured | |", "|---|---|---:|---|"]
        lines += [_target(target) for target in comparison.targets]
    lines += ["", *(f"- {note}" for note in comparison.notes), ""]
    return "\n".join(lines)


def _target(target: Target) -> str:
    bound = ("≥ " if target.bound == "at least" else "≤ ") + f"{target.limit:g}"
    return f"| {target.says} | {bound} | {_figure(target.value)} | {target.verdict} |"


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def summary(comparisons: list[Comparison]) -> str:
    """Every target of the run in one table."""
    lines = ["## Targets\n", "| | target | bound | measured | |", "|---|---|---|---:|---|"]
    lines += [f"| {each.title} {_target(target)}" for each in comparisons for target in each.targets]
    return "\n".join([*lines, ""])


def write(comparisons: list[Comparison], plan: Plan, busy: str = "") -> Path:
    """Write both reports and give the path of the one for people."""
    facts = machine(busy)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "latest.json").write_text(as_json(comparisons, facts, plan))
    path = FOLDER / "latest.md"
    path.write_text(as_markdown(comparisons, facts, plan))
    return path
