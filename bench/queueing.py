"""Contestants that run tasks: our host over HTTP, and the peers of `bench.peers.queued`, each with a worker of its own.

Submitting alone is measured at a second place where nobody runs anything; ours are submitted to run in an hour there.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench import servers
from bench.load import drive
from bench.noted import nothing
from bench.runs import LOOK_S, Runs, Sent, end_to_end, to_start_ms
from bench.servers import ROOT
from bench.system import free_port, running
from bench.workload import Request

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from bench.contest import Turn
    from bench.outcome import Plan, Sample

CALLERS = 64
PLACES = ROOT / "bench" / ".build" / "tasks"
"""All on one disk, and not in memory: what is stored is synced."""
PEER_S_MAX = 120.0
IDLE_S = 0.02
AS_TASK = {"Prefer": "respond-async"}
LATER = {**AS_TASK, "Dragoman-Task-Delay": "1h"}
NOTHING = Request("noted.nothing", b"{}", nothing())


@dataclass(frozen=True, slots=True)
class Host:
    """A host of ours, and where what it runs is noted."""

    url: str
    runs: Runs

    @property
    def request(self) -> Request:
        """A task."""
        return noting(self.runs)

    def flood(self, seconds: float, headers: Mapping[str, str] = AS_TASK) -> Sent:
        """Submit from 64 connections."""
        load = drive(self.url, self.request, CALLERS, seconds, headers=headers)
        return Sent(load.calls, load.rate_s)

    def singles(self, count: int) -> None:
        """Submit one after the other, each when the last has run, and the host is idle."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        for _ in range(count):
            before = self.runs.count()
            body = json.dumps({"file": str(self.runs.path), "sent_at": time.time()})
            connection.request("POST", self.request.path, body, {**AS_TASK, "Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.ACCEPTED:
                raise RuntimeError(f"submitting was answered {answer.status}: {answer.read()!r}")
            answer.read()
            if not self.runs.wait(before + 1):
                raise RuntimeError("a task did not run")
            time.sleep(IDLE_S)
        connection.close()


def noting(runs: Runs) -> Request:
    """A task that notes that it ran."""
    return Request("noted.note", json.dumps({"file": str(runs.path), "sent_at": 0.0}).encode(), None)


@contextlib.contextmanager
def place() -> Generator[Path]:
    """A new folder for what one contestant keeps."""
    PLACES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACES, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def project(folder: Path, more: str = "") -> str:
    """Write a project with the task; the folder to serve."""
    (folder / "dragoman.toml").write_text(
        f'[project]\nname = "noted"\n\n[sources.noted]\npath = "{ROOT / "bench" / "noted.py"}"\n\n{more}'
    )
    return str(folder)


@contextlib.contextmanager
def host(folder: Path, more: str = "") -> Generator[Host]:
    """Start a host of ours."""
    port = free_port()
    with servers.serve(servers.dragoman(port, project(folder, more)), port, NOTHING) as server:
        yield Host(server.url, Runs(folder / "runs"))


@contextlib.contextmanager
def ours(plan: Plan, store: str = "") -> Generator[Turn]:
    """Our tasks, in a file of the project's or at an address."""
    with place() as folder, host(folder, f'[tasks]\nstore = "{store}"\n' if store else "") as serving:
        serving.singles(3)
        yield partial(_turn, serving, plan)


def _turn(serving: Host, plan: Plan) -> Sample:
    before = serving.runs.count()
    serving.singles(singles_of(plan))
    start_ms = to_start_ms(serving.runs, before)
    rate_s = end_to_end(serving.runs, partial(serving.flood, plan.seconds))
    submitted = serving.flood(plan.seconds, LATER)
    return {"submit_s": submitted.rate_s, "whole_s": rate_s, "start_ms": start_ms}


def singles_of(plan: Plan) -> int:
    """How many tasks are timed one by one in a turn."""
    return 20 if plan.quick else 100


@dataclass(frozen=True, slots=True)
class Peer:
    """A module of `bench.peers.queued`, the place that its worker serves, and one that nobody does."""

    module: str
    place: str
    unserved: str

    def command(self, where: str, *role: str) -> list[str]:
        """How it is started."""
        return [sys.executable, "-m", "bench.peers.queued", self.module, where, *role]

    def run(self, where: str, *role: str) -> str:
        """Have it do something; what it said. Raises `RuntimeError` with its last line where it fails."""
        done = subprocess.run(
            self.command(where, *role), capture_output=True, text=True, cwd=ROOT, timeout=PEER_S_MAX, check=False
        )
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
        return done.stdout

    def flood(self, where: str, runs: Runs, seconds: float) -> Sent:
        """Submit from 64 callers."""
        said: dict[str, Any] = json.loads(self.run(where, "flood", str(runs.path), str(seconds)).splitlines()[-1])
        return Sent(said["count"], said["rate_s"])


@contextlib.contextmanager
def theirs(peer: Peer, folder: Path, plan: Plan) -> Generator[Turn]:
    """A peer's tasks."""
    runs = Runs(folder / "runs")
    for where in (peer.place, peer.unserved):
        peer.run(where, "prepare")
    with running(peer.command(peer.place, "work")) as child:
        peer.run(peer.place, "singles", str(runs.path), "1")
        child.check()
        if not runs.wait(1):
            raise RuntimeError(f"its first task did not run: {child.tail()}")
        time.sleep(LOOK_S)
        yield partial(_peer_turn, peer, runs, plan)


def _peer_turn(peer: Peer, runs: Runs, plan: Plan) -> Sample:
    before = runs.count()
    peer.run(peer.place, "singles", str(runs.path), str(singles_of(plan)))
    start_ms = to_start_ms(runs, before)
    rate_s = end_to_end(runs, partial(peer.flood, peer.place, runs, plan.seconds))
    submitted = peer.flood(peer.unserved, runs, plan.seconds)
    return {"submit_s": submitted.rate_s, "whole_s": rate_s, "start_ms": start_ms}
