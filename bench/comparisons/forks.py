"""A clean process per call: `fork` mode with numpy and pandas loaded, beside a bare fork and a fresh interpreter.

What each side does with a call:

- `dragoman.open, fork mode`: a whole call, from the caller's thread to the function in a process that nobody has used
  and back, one after the other; ended, swept up and replaced between them.
- a C program's `fork`, `_exit`, `waitpid`: of as many touched bytes as the process has resident that is forked there.
- `python -c "import pandas"`: a fresh interpreter that imports the same and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

import dragoman
from bench.contest import contest
from bench.outcome import Comparison, Plan, Row, Sample
from bench.system import Missing

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Contestant, Turn
    from dragoman.host.blocking import BlockingProject
    from dragoman.host.embedded import AsyncProject

NAME = "fork"
OURS = "dragoman.open, fork mode, pandas loaded"
BARE = "C: fork, exit, wait of a process as large"
FRESH = 'python -c "import numpy, pandas"'
SHARE = 5
"""A process takes milliseconds."""
FRESH_TIMES = 5
CALLERS = 4
CALLS_MANY = 100_000
CALLS_MANY_QUICK = 20_000
EARLY_SHARE = 0.1
"""Memory is first taken after a tenth of the calls: the pool has grown and what is cached is."""
LONG_S_MAX = 1800
"""A hundred thousand calls take some five minutes on two cores."""
SETTLE_S_MAX = 10
PEER = Path(__file__).parents[1] / "peers" / "fork.c"
SOURCE = """
import os

import numpy
import pandas

pandas.DataFrame({"a": [1], "b": [2]}).groupby("a").sum()


def zygote() -> int:
    return os.getppid()


def add(a: float, b: float) -> float:
    return a + b
"""
SETTINGS = '[sources.work]\npath = "work.py"\nmode = "fork"\nworkers = {{ min = {least}, max = {most} }}\n'


def run(plan: Plan) -> Iterator[Comparison]:
    """Measure single calls, then many."""
    yield _single(plan)
    yield _many(plan)


@contextlib.contextmanager
def _project(least: int, most: int) -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        (Path(folder) / "work.py").write_text(SOURCE, encoding="utf-8")
        (Path(folder) / "dragoman.toml").write_text(SETTINGS.format(least=least, most=most), encoding="utf-8")
        yield Path(folder)


def _single(plan: Plan) -> Comparison:
    calls = plan.calls // SHARE
    found = Comparison("A clean process per call, numpy and pandas loaded")
    with _project(1, 2) as folder, dragoman.open(folder) as project:
        size_mb = psutil.Process(project.work.zygote()).memory_info().rss // 2**20
        contestants: dict[str, Contestant] = {
            OURS: partial(_ours, project, calls),
            BARE: partial(_bare, folder, size_mb, calls),
            FRESH: _fresh,
        }
        contest(found, contestants, plan.turns)
    found.notes.append(f"the process that is forked has {size_mb} MB resident")
    found.aim("p50 over a bare C fork, exit and wait", found.ratio("p50_us", OURS, BARE), "at most", 3)
    found.aim("speed over a fresh interpreter", found.ratio("p50_us", FRESH, OURS), "at least", 50)
    p50, p99 = found.figure(OURS, "p50_us"), found.figure(OURS, "p99_us")
    found.aim("p99 over p50", p99 / p50 if p50 and p99 else None, "at most", 3)
    p50, p99 = found.figure(BARE, "p50_us"), found.figure(BARE, "p99_us")
    if p50 and p99:
        found.notes.append(f"p99 over p50 of the C program, which is what this machine allows: {p99 / p50:.1f}")
    return found


def _sample(took_s: list[float]) -> Sample:
    return {"p50_us": statistics.median(took_s) * 1e6, "p99_us": sorted(took_s)[int(len(took_s) * 0.99)] * 1e6}


@contextlib.contextmanager
def _ours(project: BlockingProject, calls: int) -> Generator[Turn]:
    def turn() -> Sample:
        took: list[float] = []
        for _ in range(calls):
            begun = time.perf_counter()
            project.work.add(a=1.5, b=2.25)
            took.append(time.perf_counter() - begun)
        return _sample(took)

    yield turn


@contextlib.contextmanager
def _bare(folder: Path, size_mb: int, calls: int) -> Generator[Turn]:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Missing("there is no C compiler: apt-get install gcc")
    program = str(folder / "fork")
    subprocess.run([compiler, "-O2", "-o", program, str(PEER)], check=True)

    def turn() -> Sample:
        told = subprocess.run([program, str(size_mb), str(calls)], check=True, capture_output=True, text=True)
        return _sample([int(line) / 1e9 for line in told.stdout.split()])

    yield turn


@contextlib.contextmanager
def _fresh() -> Generator[Turn]:
    def turn() -> Sample:
        took: list[float] = []
        for _ in range(FRESH_TIMES):
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import numpy, pandas"], check=True)
            took.append(time.perf_counter() - begun)
        return {"p50_us": statistics.median(took) * 1e6}

    yield turn


def _many(plan: Plan) -> Comparison:
    goal = CALLS_MANY_QUICK if plan.quick else CALLS_MANY
    found = Comparison(f"Over {goal:,} calls in processes of their own, {CALLERS} at a time")
    early, late = f"after {int(goal * EARLY_SHARE):,} calls", f"after {goal:,} calls"
    with _project(2, CALLERS) as folder:
        rows = asyncio.run(_sustained(folder, int(goal * EARLY_SHARE), goal))
    found.rows = [Row(name, sample, 1) for name, sample in zip((early, late), rows, strict=True)]
    for figure in ("processes", "host_fds", "zygote_fds"):
        more = (found.figure(late, figure) or 0) - (found.figure(early, figure) or 0)
        found.aim(f"growth in {figure.replace('_', ' ')}", more, "at most", 0)
    for figure, says in (("host_mb", "host memory"), ("zygote_mb", "memory of the zygote")):
        found.aim(f"{says}, {late} over {early}", found.ratio(figure, late, early), "at most", 1.05)
    return found


async def _sustained(folder: Path, *steps: int) -> list[Sample]:
    found: list[Sample] = []
    made = 0
    async with dragoman.open(folder) as project:
        zygote = psutil.Process(await project.work.zygote())
        for step in steps:
            since, start = made, time.monotonic()
            async with asyncio.timeout(LONG_S_MAX), asyncio.TaskGroup() as callers:
                for _ in range(CALLERS):
                    callers.create_task(_calls(project, (step - made) // CALLERS))
            made = step
            rate = (made - since) / (time.monotonic() - start)
            found.append({"rate_s": rate, **await _settled(zygote)})
    return found


async def _calls(project: AsyncProject, calls: int) -> None:
    for _ in range(calls):
        await project.work.add(a=1.5, b=2.25)


async def _settled(zygote: psutil.Process) -> Sample:
    """Count and weigh once what has answered is gone."""
    host = psutil.Process()
    deadline = time.monotonic() + SETTLE_S_MAX
    last = -1
    while (now := len(host.children(recursive=True))) != last and time.monotonic() < deadline:
        last = now
        await asyncio.sleep(1.0)
    return {
        "processes": now,
        "host_fds": host.num_fds(),
        "zygote_fds": zygote.num_fds(),
        "host_mb": host.memory_info().rss / 1e6,
        "zygote_mb": zygote.memory_info().rss / 1e6,
    }
