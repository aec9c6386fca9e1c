"""Pools without processes, and crews of real ones."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.clock import SystemClock
from dragoman.core.fault import NotFound
from dragoman.core.service import Pending
from dragoman.sandbox.confinement import Limits
from dragoman.sandbox.spawning import SpawnerConfinement
from dragoman.testing import RecordingJournal
from dragoman.wire.handshake import Hello
from dragoman.workers.options import PoolOptions
from dragoman.workers.outbound import GuestCall
from dragoman.workers.pool import Pool
from dragoman.workers.runtimes import python
from dragoman.workers.source import SourceLaunch, at_once
from dragoman.workers.supervisor import Supervisor
from tests.workers.peer import Shop

Open = Callable[..., Shop]
Hire = Callable[..., Awaitable["Staff"]]


@pytest.fixture
async def shop() -> AsyncIterator[Open]:
    """Make pools of peers; closed at the end."""
    shops: list[Shop] = []

    def make(**options: Any) -> Shop:
        shops.append(Shop(**options))
        return shops[-1]

    yield make
    for each in shops:
        each.close()


def route_nowhere(call: GuestCall) -> Pending:
    return Pending.failed(NotFound(call.function))


class Staff:
    """A pool and its supervisor over real processes."""

    def __init__(self, path: Path, confinement: SpawnerConfinement, options: PoolOptions) -> None:
        self.path = path
        self.confinement = confinement
        self.journal = RecordingJournal()
        loop = asyncio.get_running_loop()
        self.pool = Pool("s", options, loop, SystemClock(), route_nowhere, self.journal)
        launch = python.launch(path, path.parent, {"PATH": "/usr/bin:/bin"}, Limits())
        self.launch = SourceLaunch("s", at_once(launch), Hello("test/0", source="s"))
        self.supervisor = Supervisor(self.pool, self.launch, confinement)

    def write(self, source: str) -> None:
        self.path.write_text(textwrap.dedent(source))

    @property
    def pids(self) -> set[int]:
        return {worker.pid for worker in self.pool.workers}


@pytest.fixture
async def staff(tmp_path: Path) -> AsyncIterator[Callable[..., Staff]]:
    """Make a pool for a source given as text; not started, stopped at the end."""
    confinement = SpawnerConfinement.launch()
    made: list[Staff] = []

    def make(source: str, **options: Any) -> Staff:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        chosen = replace(PoolOptions(workers_max=1, start_timeout_s=10.0), **options)
        made.append(Staff(folder / "source.py", confinement, chosen))
        made[-1].write(source)
        return made[-1]

    yield make
    for each in made:
        await each.supervisor.stop(0)
    await confinement.aclose()
