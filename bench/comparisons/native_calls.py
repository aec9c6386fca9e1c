"""A call of a warm Python function over a UNIX socket, from another Python program: blocking, and 64 in flight."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from bench.called import CALLER_S_MAX, compare
from bench.contest import contest
from bench.outcome import Comparison

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Turn
    from bench.outcome import Plan, Sample

NAME = "native"
NAMES = {
    "dragoman.connect, unix://": "small.native",
    "dragoman.open": "small.open",
    "HTTP, http.client": "small.http",
    "grpcio, UNIX socket": "small.grpc",
    "UNIX socket ping-pong": "small.ping",
}
FLOODS = {"dragoman.connect, unix://": "native", "grpcio, UNIX socket": "grpc"}


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare one call at a time, then many."""
    found = compare("Blocking call of a served function, 100 bytes of JSON", NAMES, {}, plan)
    for figure, where in (("p50_us", ""), ("pinned_p50_us", ", everything on one core")):
        bare = found.ratio(figure, "dragoman.connect, unix://", "UNIX socket ping-pong")
        found.aim(f"p50 over a bare ping-pong{where}", bare, "at most", 2.5)
        grpc = found.ratio(figure, "dragoman.connect, unix://", "grpcio, UNIX socket")
        found.aim(f"p50 over grpcio's{where}", grpc, "at most", 1 / 3)
    yield found
    contestants = {shown: partial(_flood, name, plan.seconds) for shown, name in FLOODS.items()}
    found = contest(Comparison("64 calls in flight from one asyncio program"), dict(contestants), plan.turns)
    rate = found.ratio("rate_s", "dragoman.connect, unix://", "grpcio, UNIX socket")
    found.aim("throughput over grpcio's", rate, "at least", 3)
    yield found


@contextlib.contextmanager
def _flood(name: str, seconds: float) -> Generator[Turn]:
    yield partial(_turn, name, seconds)


def _turn(name: str, seconds: float) -> Sample:
    command = [sys.executable, "-m", "bench.flood", name, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CALLER_S_MAX, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return json.loads(done.stdout.splitlines()[-1])
