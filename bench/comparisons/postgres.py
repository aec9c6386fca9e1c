"""Tasks in Postgres, beside other queues of tasks on the very same server, which syncs what it commits."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Protocol

from bench.comparisons.tasks import DEFINED, promises
from bench.contest import contest
from bench.outcome import Comparison
from bench.queueing import Peer, ours, place, theirs
from bench.system import Missing

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Contestant, Turn
    from bench.outcome import Plan

NAME = "postgres"
OURS = "Dragoman, Postgres, over HTTP"
PEERS = {
    "Procrastinate": "procrastinate_postgres",
    "PgQueuer": "pgqueuer_postgres",
    "DBOS, Postgres": "dbos_queue",
}


class Server(Protocol):
    """A Postgres server."""

    def database(self, name: str) -> str:
        """The address of a new database."""
        ...


def run(plan: Plan) -> Iterator[Comparison]:
    """Measure all in turns."""
    found = Comparison("Tasks that do nothing, in Postgres")
    try:
        with _postgres() as server:
            contestants: dict[str, Contestant] = {OURS: partial(_ours, server, plan)}
            contestants |= {name: partial(_theirs, server, module, plan) for name, module in PEERS.items()}
            contest(found, contestants, plan.turns)
    except Missing as missing:
        found.notes.append(f"nothing was measured: {missing}")
    for name in PEERS:
        found.aim(f"submits over {name}", found.ratio("submit_s", OURS, name), "at least", 1)
        found.aim(f"end to end over {name}", found.ratio("whole_s", OURS, name), "at least", 1)
        found.aim(f"p50 to start over {name}", found.ratio("start_ms", OURS, name), "at most", 1)
    found.notes += [*DEFINED[:3], *promises(PEERS)]
    yield found


@contextlib.contextmanager
def _postgres() -> Generator[Server]:
    try:
        from tests.postgres import Server as Started  # noqa: PLC0415 - an extra of the machine that measures
    except (ImportError, AssertionError) as error:
        raise Missing("Postgres is not installed: uv sync --group bench") from error
    server = Started(lasting=True)
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def _ours(server: Server, plan: Plan) -> Generator[Turn]:
    with ours(plan, server.database("dragoman")) as turn:
        yield turn


@contextlib.contextmanager
def _theirs(server: Server, module: str, plan: Plan) -> Generator[Turn]:
    with place() as folder:
        peer = Peer(module, server.database(module), server.database(f"{module}_unserved"))
        with theirs(peer, folder, plan) as turn:
            yield turn
