"""Calls that somebody waits for while tasks run as fast as they can, on one host, beside the same calls alone."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from bench import queueing
from bench.contest import contest
from bench.load import drive
from bench.outcome import Comparison
from bench.queueing import AS_TASK, CALLERS, NOTHING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Turn
    from bench.outcome import Plan, Sample
    from bench.queueing import Host

NAME = "beside"
ALONE, BESIDE = "calls alone", "calls while tasks run"
KEPT_LEAST, P99_MOST = 0.8, 2
FILL = 5
"""Tasks are submitted for so many times as long as calls are measured: there are enough to run all the while."""
MARGIN_S = 2
ALONE_S = 1.0
"""Tasks run alone for so long at first: what they run at then is their full rate."""


def run(plan: Plan) -> Iterator[Comparison]:
    """Measure calls alone, and beside tasks that became due all at once, submitted before."""
    found = Comparison("Calls while tasks run at full rate")
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(queueing.host(stack.enter_context(queueing.place())))
        contest(found, {ALONE: partial(_alone, host, plan), BESIDE: partial(_beside, host, plan, found)}, plan.turns)
    kept, slower = found.ratio("rate_s", BESIDE, ALONE), found.ratio("p99_us", BESIDE, ALONE)
    found.aim("throughput of calls that is kept", kept, "at least", KEPT_LEAST)
    found.aim("p99 of calls over that of the same calls alone", slower, "at most", P99_MOST)
    yield found


@contextlib.contextmanager
def _alone(host: Host, plan: Plan) -> Generator[Turn]:
    yield partial(_calls, host, plan.seconds)


@contextlib.contextmanager
def _beside(host: Host, plan: Plan, found: Comparison) -> Generator[Turn]:
    yield partial(_calls_beside, host, plan.seconds, found)


def _calls(host: Host, seconds: float) -> Sample:
    load = drive(host.url, NOTHING, CALLERS, seconds)
    return {"rate_s": load.rate_s, "p50_us": load.p50_us, "p99_us": load.p99_us}


def _calls_beside(host: Host, seconds: float, found: Comparison) -> Sample:
    filling_s = seconds * FILL
    before = host.runs.count()
    # The first of them is due when the last is submitted: the delay of each counts from its own submission.
    sent = host.flood(filling_s, {**AS_TASK, "Dragoman-Task-Delay": f"{filling_s + MARGIN_S:g}s"})
    host.runs.wait(before + 1)
    time.sleep(ALONE_S)
    early = host.runs.count()
    figures = _calls(host, seconds)
    ran = host.runs.count()
    if ran - before >= sent.count:
        found.notes.append("the tasks ended before the calls did")
    host.runs.wait(before + sent.count)
    host.runs.settle()
    return {**figures, "tasks_s": (ran - early) / max(seconds, 1), "tasks_alone_s": (early - before) / ALONE_S}
