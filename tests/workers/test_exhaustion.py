import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from dragoman.core.ordeal import Ordeal, Trouble
from dragoman.sandbox.confinement import Launch, Limits
from dragoman.sandbox.spawning import SpawnerConfinement
from dragoman.workers.exhaustion import MEMORY_BYTES_MAX, Exhaustion, memory_to_take
from tests.workers.peer import until

LIMITS = Limits(memory_bytes=64 * 1024 * 1024)


class Watched(SpawnerConfinement):
    """A confinement that remembers what it started."""

    def __init__(self) -> None:
        super().__init__()
        self.pids: list[int] = []

    async def start(self, launch: Launch, wire_fd: int | None):  # noqa: ANN201 - the base class's own
        child = await super().start(launch, wire_fd)
        self.pids.append(child.pid)
        return child


@pytest.fixture
async def confinement() -> AsyncGenerator[Watched]:
    made = Watched()
    yield made
    await made.aclose()


def untold(level: str, message: str) -> None:
    raise AssertionError(f"{level}: {message}")


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


async def test_memory_is_taken_up_to_the_limit_and_given_back(confinement: Watched) -> None:
    exhaustion = Exhaustion(confinement, untold)
    exhaustion.begin(Ordeal(Trouble.MEMORY, 1.0), LIMITS)
    await until(lambda: confinement.pids)
    (pid,) = confinement.pids
    await until(lambda: resident(pid) > 32 * 1024 * 1024)
    assert resident(pid) < 128 * 1024 * 1024
    await until(lambda: not len(exhaustion))
    await until(lambda: not alive(pid))


async def test_one_process_at_a_time_takes_processors_and_ends_with_its_source(confinement: Watched) -> None:
    exhaustion = Exhaustion(confinement, untold)
    for _ in range(5):
        exhaustion.begin(Ordeal(Trouble.CPU, 60.0), Limits())
    await until(lambda: confinement.pids)
    await asyncio.sleep(0)
    assert len(confinement.pids) == 1
    exhaustion.end()
    await until(lambda: not alive(confinement.pids[0]))
    await until(lambda: not len(exhaustion))


async def test_what_cannot_be_started_is_told(confinement: Watched) -> None:
    told: list[str] = []
    exhaustion = Exhaustion(confinement, lambda level, message: told.append(f"{level} {message}"))
    exhaustion.begin(Ordeal(Trouble.CPU, 1.0), Limits(files=1))
    await until(lambda: told)
    assert told[0].startswith("warning chaos cannot take cpu away")
    await until(lambda: not len(exhaustion))


def test_memory_stays_within_bounds() -> None:
    assert memory_to_take(1000) == 1000
    assert 0 < memory_to_take(0) <= MEMORY_BYTES_MAX
