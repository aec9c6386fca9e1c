"""A call over HTTP whose answer is kept, beside the same call that runs the function: 64 connections."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from bench import servers
from bench.comparisons.http_calls import CONNECTIONS, WARM_UP_S, cpu_us, full_load
from bench.contest import contest
from bench.load import drive
from bench.outcome import Comparison, Plan
from bench.workload import ADD

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Contestant, Turn

NAME = "cache"
RATIO_LEAST = 1.3
KEPT, WARM = "answer kept in memory", "warm call"


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare an answer of the first level with a call of the function."""
    contestants: dict[str, Contestant] = {
        KEPT: partial(_contestant, partial(servers.dragoman, source="bench/kept"), plan),
        WARM: partial(_contestant, servers.dragoman, plan),
    }
    found = contest(Comparison("HTTP, an answer that is kept beside a warm call"), contestants, plan.turns)
    rate = found.ratio("rate_s", KEPT, WARM)
    found.aim("throughput of kept answers over warm calls, 64 connections", rate, "at least", RATIO_LEAST)
    ours, theirs = (cpu_us(found, name) for name in (KEPT, WARM))
    if ours and theirs:
        found.notes.append(f"CPU a call, server and workers, {WARM} over {KEPT}: {theirs / ours:.2f}")
    return iter((found,))


@contextlib.contextmanager
def _contestant(command: servers.Command, plan: Plan) -> Generator[Turn]:
    with servers.on_free_port(command) as server:
        drive(server.url, ADD, CONNECTIONS, WARM_UP_S)
        yield partial(full_load, server, ADD, plan.seconds)
