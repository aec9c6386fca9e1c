"""The whole stack over HTTP beside the bare path, at 64 connections, every call with an input of its own.

So no answer is ever there already: each call goes through all layers, to the function and back. Calls of a function
without any layer, of the same host, show what layers cost that are not configured.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from bench import servers
from bench.comparisons.http_calls import CONNECTIONS, WARM_UP_S, full_load
from bench.contest import contest
from bench.load import drive
from bench.outcome import Comparison, Plan
from bench.workload import ADD, Request

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Contestant, Turn

NAME = "stack"
PROJECT = "bench/stacked"
VARIED = b"1.5"
LOSS_MOST = 0.25
NOISE = 0.03
"""Two runs of the very same differ by more than this; their medians do by less."""
STACKED, BARE, PLAIN = "every layer", "no layer in the project", "no layer, beside a function with every layer"


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare a function with every layer, one beside it with none, and one of a project without any."""
    stacked = partial(servers.dragoman, source=PROJECT)
    contestants: dict[str, Contestant] = {
        STACKED: partial(_contestant, stacked, ADD, plan),
        BARE: partial(_contestant, servers.dragoman, ADD, plan),
        PLAIN: partial(_contestant, stacked, Request("plain.add", ADD.body, ADD.answer), plan),
    }
    found = contest(Comparison("HTTP, every layer beside the bare path"), contestants, plan.turns)
    rate, plain_us = found.ratio("rate_s", STACKED, BARE), found.ratio("server_cpu_us", PLAIN, BARE)
    lost = None if rate is None else 1 - rate
    found.aim("throughput lost to the whole stack, 64 connections", lost, "at most", LOSS_MOST)
    found.aim("CPU a call of a function without layers, over the bare path", plain_us, "at most", 1 + NOISE)
    ours, theirs = found.figure(STACKED, "server_cpu_us"), found.figure(BARE, "server_cpu_us")
    if ours and theirs:
        found.notes.append(f"all layers together cost the host {ours - theirs:.1f} µs of CPU a call")
    found.notes.append("batches and chaos are left out: the one is for functions that take a list, the other spoils")
    yield found


@contextlib.contextmanager
def _contestant(command: servers.Command, request: Request, plan: Plan) -> Generator[Turn]:
    with servers.on_free_port(command) as server:
        drive(server.url, request, CONNECTIONS, WARM_UP_S, VARIED)
        yield partial(full_load, server, request, plan.seconds, VARIED)
