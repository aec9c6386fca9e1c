"""The same typed function in each language, through one host each: 64 connections for throughput, one for latency."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from bench import servers
from bench.comparisons.http_calls import CONNECTIONS, measure
from bench.contest import contest
from bench.load import drive
from bench.outcome import Comparison
from bench.workload import ADD

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Contestant, Turn
    from bench.outcome import Plan

NAME = "guests"
P50_MOST = {"Go": 1.1, "Rust": 1.1, "Node": 1.3, "Java": 1.5}
"""The p50 that each language may have, as a share of Python's."""
WARM_UP_S = 3
"""A virtual machine compiles while it runs: Java's figures stand still after two seconds of full load."""
ONE_S = 1


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare."""
    contestants: dict[str, Contestant] = {
        language: partial(_contestant, language, plan) for language in servers.LANGUAGES
    }
    found = contest(Comparison("One typed function in each language, two numbers in, one out"), contestants, plan.turns)
    for language, most in P50_MOST.items():
        for figure, where in (("one_p50_us", ""), ("one_pinned_p50_us", ", everything on one core")):
            found.aim(f"{language}: p50 over Python's{where}", found.ratio(figure, language, "Python"), "at most", most)
        rate = found.ratio("rate_s", language, "Python")
        found.aim(f"{language}: throughput over Python's, 64 connections", rate, "at least", 1)
    yield found


@contextlib.contextmanager
def _contestant(language: str, plan: Plan) -> Generator[Turn]:
    with servers.on_free_port(servers.guest(language)) as server:
        drive(server.url, ADD, CONNECTIONS, WARM_UP_S)
        drive(server.url, ADD, 1, ONE_S)
        yield partial(measure, server, ADD, plan.seconds)
