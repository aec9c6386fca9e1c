"""A typed Python function over HTTP: 64 connections for throughput, one for latency."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from bench import servers
from bench.contest import contest
from bench.load import drive
from bench.outcome import Comparison, Plan, Sample
from bench.system import Usage, pinned
from bench.workload import ADD, PRICE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Contestant, Turn
    from bench.servers import Server
    from bench.workload import Request

NAME = "http"
CONNECTIONS = 64
WARM_UP_S = 1
LATENCY_S = 1
"""One connection alone makes some ten thousand calls in a second: enough for a median."""

US = 1e6


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare with two numbers and, where there is time, with a record."""
    yield compare("HTTP, typed Python function, two numbers in, one out", ADD, plan)
    if not plan.quick:
        yield compare("HTTP, typed Python function, a record in, a record out", PRICE, plan)


def compare(title: str, request: Request, plan: Plan) -> Comparison:
    """Compare on one function."""
    commands: dict[str, servers.Command] = {
        "Dragoman": servers.dragoman,
        "FastAPI + uvicorn": servers.fastapi,
        "uvicorn, raw ASGI": servers.raw_asgi,
        "Go gateway, same worker": servers.gateway,
        "Go gateway, bare worker": servers.gateway_bare,
    }
    contestants: dict[str, Contestant] = {
        name: partial(_contestant, command, request, plan) for name, command in commands.items()
    }
    found = contest(Comparison(title), contestants, plan.turns)
    rate = found.ratio("rate_s", "Dragoman", "FastAPI + uvicorn")
    found.aim("throughput over FastAPI + uvicorn, 64 connections", rate, "at least", 5)
    rate = found.ratio("rate_s", "Dragoman", "Go gateway, same worker")
    found.aim("throughput over the Go gateway before the same worker", rate, "at least", 1.2)
    p50 = found.ratio("one_p50_us", "Dragoman", "FastAPI + uvicorn")
    found.aim("p50 over FastAPI's, one connection", p50, "at most", 0.7)
    pinned_p50 = found.ratio("one_pinned_p50_us", "Dragoman", "FastAPI + uvicorn")
    found.aim("p50 over FastAPI's, one connection, everything on one core", pinned_p50, "at most", 0.7)
    for peer in ("FastAPI + uvicorn", "Go gateway, same worker"):
        if (ours := cpu_us(found, "Dragoman")) and (theirs := cpu_us(found, peer)):
            found.notes.append(f"CPU a call, server and workers, {peer} over Dragoman: {theirs / ours:.2f}")
    return found


def cpu_us(found: Comparison, contestant: str) -> float:
    """What a call costs the server and its workers, in µs; 0 where it was not measured."""
    return sum(found.figure(contestant, name) or 0.0 for name in ("server_cpu_us", "workers_cpu_us"))


@contextlib.contextmanager
def _contestant(command: servers.Command, request: Request, plan: Plan) -> Generator[Turn]:
    with servers.on_free_port(command) as server:
        _warm(server, request)
        yield partial(measure, server, request, plan.seconds)


def _warm(server: Server, request: Request) -> None:
    drive(server.url, request, CONNECTIONS, WARM_UP_S)


def measure(server: Server, request: Request, seconds: float) -> Sample:
    """One turn: full load with its CPU, then one connection, then one connection with everything on one core."""
    full = full_load(server, request, seconds)
    one = drive(server.url, request, 1, LATENCY_S)
    with pinned(server.pid):
        alone = drive(server.url, request, 1, LATENCY_S)
    return full | {"one_p50_us": one.p50_us, "one_pinned_p50_us": alone.p50_us}


def full_load(server: Server, request: Request, seconds: float, varied: bytes = b"") -> Sample:
    """All connections for a while, with the CPU of it; `varied` as for `drive`."""
    before = Usage.of(server.pid)
    full = drive(server.url, request, CONNECTIONS, seconds, varied)
    used = Usage.of(server.pid).since(before)
    return {
        "rate_s": full.rate_s,
        "p50_us": full.p50_us,
        "p99_us": full.p99_us,
        "server_cpu_us": used.root_s / full.calls * US,
        "workers_cpu_us": used.rest_s / full.calls * US,
    }
