"""From nothing to ready: start-up time, what imports cost, and what an idle host weighs.

The source that is served until ready imports nothing, so that none of its own imports has to be taken off.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import tempfile
import time
from functools import partial
from http.client import HTTPConnection, HTTPException
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from bench import servers
from bench.contest import contest
from bench.outcome import Comparison, Plan, Sample
from bench.system import READY_S_MAX, Weight, free_port, running

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bench.contest import Contestant, Turn

NAME = "startup"
COMMAND_S_MAX = 60
STARTS = 3
"""Each turn takes the least of so many starts: what else runs on the machine only ever adds to one."""
SETTLE_S = 1.0
"""An idle host is weighed once the noise of starting is over."""
POLL_S = 0.002

READY = "dragoman serve, until ready"
BARE = "python -c pass"
UVICORN = 'python -c "import uvicorn"'
SERVER_IMPORTS = "imports of the server"
GUEST_IMPORTS = "imports of the guest"
HELP = "dragoman --help"

COMMANDS = {
    BARE: ["-c", "pass"],
    UVICORN: ["-c", "import uvicorn"],
    SERVER_IMPORTS: ["-c", "import uvloop, dragoman.cli.entry, dragoman.cli.serving, dragoman.host.serving"],
    GUEST_IMPORTS: ["-c", "import dragoman.guest.__main__, dragoman.guest.sync_server"],
    HELP: ["-m", "dragoman", "--help"],
}
"""Whole commands, as `python` arguments; the bare interpreter's time is taken off where imports are meant."""
PLAIN = 'def add(a: float, b: float) -> float:\n    """Add two numbers."""\n    return a + b\n'


def run(plan: Plan) -> Iterator[Comparison]:
    """Measure times, then weights."""
    yield _times(plan)
    yield _weights(plan)


def _times(plan: Plan) -> Comparison:
    contestants: dict[str, Contestant] = {
        name: partial(_contestant, [sys.executable, *arguments]) for name, arguments in COMMANDS.items()
    }
    contestants[READY] = _server
    found = contest(Comparison(f"Start-up, least of {STARTS}"), contestants, plan.turns)
    found.aim(f"ready over {UVICORN}", found.ratio("time_ms", READY, UVICORN), "at most", 3)
    found.aim("imports of the server in ms", _beyond_bare(found, SERVER_IMPORTS), "at most", 250)
    found.aim("dragoman --help in ms", found.figure(HELP, "time_ms"), "at most", 120)
    found.aim("imports of the guest in ms", _beyond_bare(found, GUEST_IMPORTS), "at most", 40)
    return found


def _beyond_bare(found: Comparison, name: str) -> float | None:
    whole, bare = found.figure(name, "time_ms"), found.figure(BARE, "time_ms")
    return None if whole is None or bare is None else max(whole - bare, 0.0)


@contextlib.contextmanager
def _contestant(command: list[str]) -> Generator[Turn]:
    _timed(command)  # fills the caches of the disk and of bytecode
    yield partial(_least, partial(_timed, command))


def _least(start: Turn) -> Sample:
    return min((start() for _ in range(STARTS)), key=itemgetter("time_ms"))


def _timed(command: list[str]) -> Sample:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False)
    took = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return {"time_ms": took * 1e3}


@contextlib.contextmanager
def _server() -> Generator[Turn]:
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        source = Path(folder) / "plain.py"
        source.write_text(PLAIN)
        _ready(source)
        yield partial(_least, partial(_ready, source))


def _ready(source: Path) -> Sample:
    port = free_port()
    start = time.perf_counter()
    with running(servers.dragoman(port, str(source))) as child:
        while time.perf_counter() - start < READY_S_MAX:
            child.check()
            if _is_ready(port):
                return {"time_ms": (time.perf_counter() - start) * 1e3}
            time.sleep(POLL_S)
        raise RuntimeError(f"not ready after {READY_S_MAX:.0f} s: {child.tail()}")


def _is_ready(port: int) -> bool:
    """Whether `/health/ready` answers 200; false where nobody listens yet, or 503."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=READY_S_MAX)) as connection:
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


def _weights(plan: Plan) -> Comparison:
    contestants: dict[str, Contestant] = {
        "Dragoman": partial(_idle, servers.dragoman),
        "FastAPI + uvicorn": partial(_idle, servers.fastapi),
        "Go gateway, bare worker": partial(_idle, servers.gateway_bare),
    }
    found = contest(Comparison("Idle, resident memory"), contestants, 1 if plan.quick else 3)
    found.aim("idle host process, resident, in MB", found.figure("Dragoman", "host_mb"), "at most", 70)
    found.aim("idle host with its spawner and one worker, in MB", found.figure("Dragoman", "tree_mb"), "at most", 70)
    return found


@contextlib.contextmanager
def _idle(command: servers.Command) -> Generator[Turn]:
    with servers.on_free_port(command) as server:
        time.sleep(SETTLE_S)
        yield partial(_weigh, server.pid)


def _weigh(pid: int) -> Sample:
    return dataclasses.asdict(Weight.of(pid))
