"""A call over HTTP whose answer is kept, beside the same call that runs the function: 64 connections."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from bench import servers
from bench.contest import contest
from bench.load import drive
from bench.outcome import Comparison, Plan, Sample
from bench.system import Usage
from bench.workload import ADD

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Contestant, Turn
    from bench.servers import Server

NAME = "cache"
CONNECTIONS = 64
WARM_UP_S = 1
RATIO_LEAST = 1.3
US = 1e6
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
    ours, theirs = (_cpu_us(found, name) for name in (KEPT, WARM))
    if ours and theirs:
        found.notes.append(f"CPU a call, server and workers, {WARM} over {KEPT}: {theirs / ours:.2f}")
    return iter((found,))


def _cpu_us(found: Comparison, contestant: str) -> float:
    return sum(found.figure(contestant, name) or 0.0 for name in ("server_cpu_us", "workers_cpu_us"))


@contextlib.contextmanager
def _contestant(command: servers.Command, plan: Plan) -> Generator[Turn]:
    with servers.on_free_port(command) as server:
        drive(server.url, ADD, CONNECTIONS, WARM_UP_S)
        yield partial(measure, server, plan.seconds)


def measure(server: Server, seconds: float) -> Sample:
    """One turn: full load, with its CPU."""
    before = Usage.of(server.pid)
    full = drive(server.url, ADD, CONNECTIONS, seconds)
    used = Usage.of(server.pid).since(before)
    return {
        "rate_s": full.rate_s,
        "p50_us": full.p50_us,
        "p99_us": full.p99_us,
        "server_cpu_us": used.root_s / full.calls * US,
        "workers_cpu_us": used.rest_s / full.calls * US,
    }
