"""A blocking call from one Python program, 100 bytes of JSON: `dragoman.open` and the other ways to another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.called import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.outcome import Comparison, Plan

NAME = "local"
NAMES = {
    "dragoman.open": "small.open",
    "UNIX socket ping-pong": "small.ping",
    "UNIX socket ping-pong, JSON": "small.ping_json",
    "grpcio, UNIX socket": "small.grpc",
    "multiprocessing.Pool(1).apply": "small.pool",
    "subprocess, Python per call": "small.python",
}


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare."""
    found = compare("Blocking call from Python, 100 bytes of JSON", NAMES, {"small.python": plan.calls // 50}, plan)
    for figure, where in (("p50_us", ""), ("pinned_p50_us", ", everything on one core")):
        bare = found.ratio(figure, "dragoman.open", "UNIX socket ping-pong")
        found.aim(f"p50 over a bare ping-pong{where}", bare, "at most", 2)
        grpc = found.ratio(figure, "dragoman.open", "grpcio, UNIX socket")
        found.aim(f"p50 over grpcio's{where}", grpc, "at most", 1 / 6)
    yield found
