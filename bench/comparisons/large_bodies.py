"""One MiB of bytes to a function and back, one call at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.called import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.outcome import Comparison, Plan

NAME = "large"
NAMES = {
    "dragoman.open": "blob.open",
    "Dragoman, HTTP": "blob.http",
    "FastAPI, HTTP, no worker": "blob.fastapi",
    "uvicorn raw ASGI, HTTP, no worker": "blob.raw_asgi",
    "Go gateway, HTTP, same worker": "blob.gateway",
    "UNIX socket ping-pong": "blob.ping",
    "grpcio, UNIX socket": "blob.grpc",
    "multiprocessing.Pool(1).apply": "blob.pool",
}
SHARE = 10
"""A call of 1 MiB takes some ten times as long as a small one."""


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare."""
    found = compare("1 MiB of bytes echoed", NAMES, dict.fromkeys(NAMES.values(), plan.calls // SHARE), plan)
    for contestant in ("dragoman.open", "Dragoman, HTTP"):
        p50 = found.figure(contestant, "p50_us")
        found.aim(f"{contestant}: p50 in ms", p50 / 1e3 if p50 is not None else None, "at most", 1.5)
    yield found
