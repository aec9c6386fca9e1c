"""Functions in Go, Rust, Java and Node, called by a Python program, beside what people use for that one pair."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench import foreign
from bench.called import compare
from bench.contest import FAILURES, contest
from bench.outcome import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.contest import Contestant
    from bench.outcome import Plan

NAME = "bridges"
OURS = "dragoman.open"
PEERS = {
    "Go": {"grpcio to grpc-go, UNIX socket": "Go.grpc"},
    "Rust": {},
    "Java": {"Py4J": "Java.py4j", "JPype, inside of the process": "Java.jpype"},
    "Node": {"JSPyBridge": "Node.jspybridge", "HTTP to node:http": "Node.http"},
}
INSIDE = "JPype, inside of the process"
"""No target: a call that leaves no process is another thing."""
WHERE = {"p50_us": "", "pinned_p50_us": ", everything on one core"}


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare, language by language."""
    for language, peers in PEERS.items():
        names = {OURS: f"{language}.guest", **peers}
        found = compare(f"A Python program calls a {language} function, a text of 89 characters", names, {}, plan)
        _aim(found, peers)
        if language == "Rust":
            found.notes.append("gRPC (tonic) was not measured: there is no peer for it yet")
        yield found
    yield _plugins(plan)


def _aim(found: Comparison, peers: dict[str, str]) -> None:
    for figure, where in WHERE.items():
        for peer in peers:
            ratio = found.ratio(figure, OURS, peer)
            if peer != INSIDE:
                found.aim(f"p50 over {peer}{where}", ratio, "at most", 1)
            elif ratio is not None:
                found.notes.append(f"p50 over {peer}{where}: {ratio:.1f}")


def _plugins(plan: Plan) -> Comparison:
    found = Comparison("A Go program calls a Go function, a text of 89 characters")
    ours, peer = foreign.TALES["dragoman"], foreign.TALES["plugin"]
    try:
        command = foreign.build("Go")
    except FAILURES as error:
        found.notes.append(f"Go was not measured: {error}")
        return found
    contestants: dict[str, Contestant] = {
        foreign.TALES[way]: partial(foreign.contestant, command, way, plan.calls, "Go")
        for way in ("dragoman", "plugin", "ping")
    }
    contest(found, contestants, plan.turns)
    for figure, where in WHERE.items():
        found.aim(f"p50 over {peer}{where}", found.ratio(figure, ours, peer), "at most", 1)
    found.notes.append("the ping-pong is with a Python program")
    return found
