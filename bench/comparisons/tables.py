"""A table of 1,000,000 rows and ten columns of float64, 80 MB, to a function and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.called import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.outcome import Comparison, Plan

NAME = "tables"
COPY, FLOOR = "one memcpy", "bare TCP, no worker"
LANGUAGES = ("Python", "Go", "Rust")
NAMES = {
    COPY: "copy",
    **{f"dragoman.open, {language}": f"{language}.open" for language in LANGUAGES},
    **{f"Dragoman, HTTP, {language}": f"{language}.http" for language in LANGUAGES},
    FLOOR: "tcp",
    "Arrow Flight": "flight",
    "grpcio, UNIX socket, Arrow": "grpc",
    "MessagePack, UNIX socket": "msgpack",
}
PEERS = ("Arrow Flight", "grpcio, UNIX socket, Arrow", "MessagePack, UNIX socket")
SHARE = 200
"""A call takes some two hundred times as long as a small one."""
SLOW_SHARE = 1000
COPIES = {"dragoman.open": 2, "Dragoman, HTTP": 4}
"""Copies that sides make who do not share: the caller writes and the function writes; over HTTP the caller and the host
each copy it once on the way there and once on the way back."""


def run(plan: Plan) -> Iterator[Comparison]:
    """Compare."""
    calls = dict.fromkeys(NAMES.values(), plan.calls // SHARE)
    calls["msgpack"] = plan.calls // SLOW_SHARE
    found = compare("A table of 80 MB to a function and back", NAMES, calls, plan, "bench.tables")
    for way, copies in COPIES.items():
        for language in LANGUAGES:
            shown = f"{way}, {language}"
            ratio = found.ratio("p50_us", shown, COPY)
            found.aim(f"{shown}: over {copies} x {COPY}", None if ratio is None else ratio / copies, "at most", 2)
            for peer in PEERS:
                found.aim(f"{peer} over {shown}", found.ratio("p50_us", peer, shown), "at least", 5)
    found.notes.append(
        f"HTTP is TCP, where the kernel copies everything twice each way: nothing over HTTP beats {FLOOR}"
    )
    for language in LANGUAGES:
        shown = f"Dragoman, HTTP, {language}"
        found.aim(f"{shown}: over {FLOOR}", found.ratio("p50_us", shown, FLOOR), "at most", 1.5)
    yield found
