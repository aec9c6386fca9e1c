"""Whether a call costs the same with 1 function and with 1,000, and after a million calls as after the first."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import servers
from bench.comparisons.http_calls import CONNECTIONS, measure
from bench.contest import contest
from bench.load import drive
from bench.outcome import Comparison, Plan, Row, Sample
from bench.system import Weight, free_port
from bench.workload import ADD, Request

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Contestant, Turn
    from bench.servers import Server

NAME = "flat"
FUNCTIONS_MANY = 1000
CALLS_MANY = 1_000_000
CALLS_MANY_QUICK = 200_000
EARLY_SHARE = 0.1
"""Memory is first taken after a tenth of the calls: pools have grown and caches are full by then."""
LONG_S_MAX = 300
"""A million calls take half a minute at the speed hoped for; ten times that is given up."""
SAMPLES = 3
FLAT = 1.1
"""Flat means within a tenth: two noisy cores do not repeat themselves better."""
LATENCIES = {"one_p50_us": "", "one_pinned_p50_us": ", everything on one core"}
"""Figures that should not grow, and where they are taken."""


def run(plan: Plan) -> Iterator[Comparison]:
    """Measure over functions, then over calls."""
    yield _over_functions(plan)
    yield _over_calls(plan)


def _over_functions(plan: Plan) -> Comparison:
    few, many = "1 function", f"{FUNCTIONS_MANY:,} functions"
    contestants: dict[str, Contestant] = {few: partial(_many, 1, plan), many: partial(_many, FUNCTIONS_MANY, plan)}
    found = contest(Comparison("From 1 to 1,000 functions"), contestants, plan.turns)
    for figure, where in LATENCIES.items():
        found.aim(f"p50, one connection{where}, {many} over {few}", found.ratio(figure, many, few), "at most", FLAT)
    found.aim(f"throughput, {many} over {few}", found.ratio("rate_s", many, few), "at least", 1 / FLAT)
    before, after = found.figure(few, "host_mb"), found.figure(many, "host_mb")
    each_kb = (after - before) / (FUNCTIONS_MANY - 1) * 1e3 if before is not None and after is not None else None
    found.aim("host memory a function in kB", each_kb, "at most", 20)
    return found


@contextlib.contextmanager
def _many(count: int, plan: Plan) -> Generator[Turn]:
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        source = Path(folder) / "functions.py"
        last = f"f{count - 1}"
        body = '(a: float, b: float) -> float:\n    """Add two numbers."""\n    return a + b\n'
        source.write_text("\n\n".join(f"def f{number}{body}" for number in range(count)))
        request = Request(f"functions.{last}", ADD.body, ADD.answer)
        port = free_port()
        with servers.serve(servers.dragoman(port, str(source)), port, request) as server:
            drive(server.url, request, CONNECTIONS, plan.seconds)
            yield partial(_measured, server, request, plan.seconds)


def _measured(server: Server, request: Request, seconds: float) -> Sample:
    figures = measure(server, request, seconds)
    return {**figures, **dataclasses.asdict(Weight.of(server.pid))}


def _over_calls(plan: Plan) -> Comparison:
    goal = CALLS_MANY_QUICK if plan.quick else CALLS_MANY
    found = Comparison(f"Over {goal:,} calls, one server")
    early, late = f"after {int(goal * EARLY_SHARE):,} calls", f"after {goal:,} calls"

    @contextlib.contextmanager
    def server() -> Generator[Turn]:
        with servers.on_free_port(servers.dragoman) as started:
            yield partial(_long, started, goal, found, (early, late))

    contest(found, {"run": server}, 1)
    found.rows = [row for row in found.rows if row.contestant != "run"]
    for name, where in LATENCIES.items():
        found.aim(f"p50, one connection{where}, {late} over {early}", found.ratio(name, late, early), "at most", FLAT)
    for name, says in (("host_mb", "host memory"), ("worker_mb", "memory of the largest worker")):
        found.aim(f"{says}, {late} over {early}", found.ratio(name, late, early), "at most", FLAT)
    return found


def _long(server: Server, goal: int, found: Comparison, names: tuple[str, str]) -> Sample:
    made, steps = 0, [int(goal * EARLY_SHARE), goal]
    give_up_at = time.monotonic() + LONG_S_MAX
    for step, name in zip(steps, names, strict=True):
        while made < step:
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"only {made:,} calls in {LONG_S_MAX} s")
            made += drive(server.url, ADD, CONNECTIONS, 1 if step == steps[0] else 5).calls
        found.rows.append(Row.of(name, [_measured(server, ADD, 1) for _ in range(SAMPLES)]))
    return {}
