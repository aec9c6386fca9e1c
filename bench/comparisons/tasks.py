"""Tasks in a file: submitted, run, and begun at once, beside other queues of tasks, all synced to the disk."""

from __future__ import annotations

import contextlib
import importlib
from functools import partial
from typing import TYPE_CHECKING

from bench.contest import contest
from bench.outcome import Comparison
from bench.queueing import Peer, ours, place, theirs
from bench.system import Missing

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from bench.contest import Contestant, Turn
    from bench.outcome import Plan

NAME = "tasks"
OURS = "Dragoman, SQLite, over HTTP"
FILES = {"huey, SQLite": ("huey_sqlite", "{}/huey.db"), "DBOS, SQLite": ("dbos_queue", "sqlite:///{}/dbos.db")}
VALKEY = {"RQ, Valkey": "rq_valkey", "Celery, Valkey": "celery_valkey"}
SUBMITS_LEAST, RATE_LEAST, START_MS_MOST, TIMES_LEAST = 3000, 1500, 5, 2
DEFINED = (
    "submits/s: 64 callers, each told once it is stored, while nothing runs: ours over HTTP, due in an hour",
    "the peers' by their own clients in one process, at a place without a worker",
    "end to end: from the first submit of 64 callers until the last task has run",
    "Dragoman promises: at least once, a result recorded once, SQLite in WAL mode with full sync",
)


def run(plan: Plan) -> Iterator[Comparison]:
    """Measure all in turns."""
    contestants: dict[str, Contestant] = {OURS: partial(ours, plan)}
    contestants |= {name: partial(_in_file, *each, plan) for name, each in FILES.items()}
    contestants |= {name: partial(_in_valkey, module, plan) for name, module in VALKEY.items()}
    found = contest(Comparison("Tasks that do nothing, stored durably"), contestants, plan.turns)
    found.aim("submits/s at 64 callers", found.figure(OURS, "submit_s"), "at least", SUBMITS_LEAST)
    found.aim("tasks/s end to end", found.figure(OURS, "whole_s"), "at least", RATE_LEAST)
    found.aim("p50 ms from submit to start, idle", found.figure(OURS, "start_ms"), "at most", START_MS_MOST)
    for name in (*FILES, *VALKEY):
        found.aim(f"submits over {name}", found.ratio("submit_s", OURS, name), "at least", TIMES_LEAST)
        found.aim(f"end to end over {name}", found.ratio("whole_s", OURS, name), "at least", TIMES_LEAST)
    modules = {name: module for name, (module, _) in FILES.items()} | VALKEY
    found.notes += [*DEFINED, *promises(modules), "Valkey runs with appendonly and appendfsync=always"]
    yield found


def promises(modules: dict[str, str]) -> list[str]:
    """What each peer promises."""
    return [f"{name} promises: {_promise(module)}" for name, module in modules.items()]


def _promise(module: str) -> str:
    try:
        return importlib.import_module(f"bench.peers.queued.{module}").PROMISES
    except ImportError as error:
        return f"nothing that could be read: {error}"


@contextlib.contextmanager
def _in_file(module: str, address: str, plan: Plan) -> Generator[Turn]:
    with place() as folder, place() as unserved:
        peer = Peer(module, address.format(folder), address.format(unserved))
        with theirs(peer, folder, plan) as turn:
            yield turn


@contextlib.contextmanager
def _in_valkey(module: str, plan: Plan) -> Generator[Turn]:
    with place() as folder, valkey(folder) as url, theirs(Peer(module, f"{url}/0", f"{url}/1"), folder, plan) as turn:
        yield turn


@contextlib.contextmanager
def valkey(folder: Path | None = None) -> Generator[str]:
    """A server of its own; with a folder it keeps there, synced, whatever it says that it has."""
    try:
        from tests.valkey import Server  # noqa: PLC0415 - an extra of the machine that measures
    except ImportError as error:
        raise Missing(f"{error.name} is not installed: uv sync --group bench") from error
    server = Server(folder)
    try:
        yield server.url
    finally:
        server.close()
