import asyncio
import os
from pathlib import Path

import pytest

from dragoman.building.recipe import Step
from dragoman.building.step import HEAD_BYTES, TAIL_BYTES, run
from dragoman.sandbox.spawning import SpawnerConfinement
from tests.workers.peer import until

ENV = {"PATH": os.environ["PATH"]}


def shell(script: str, folder: Path) -> Step:
    return Step(("sh", "-c", script), folder, "sh", {"OWN": "1"})


def runs(pidfile: Path) -> bool:
    """Whether the process runs whose id stands in a file."""
    pid = pidfile.read_text().strip() if pidfile.exists() else ""
    return bool(pid) and Path("/proc", pid).exists()


async def test_it_tells_how_it_ended_and_what_was_printed(confinement: SpawnerConfinement, tmp_path: Path) -> None:
    lines: list[str] = []
    step = shell("echo out; echo err >&2; echo $OWN $DRAGOMAN_WIRE_FD; pwd; exit 4", tmp_path)
    outcome = await run(confinement, step, ENV, 10, lines.append)
    assert outcome.status == 4
    assert sorted(outcome.printed.splitlines()) == sorted(["out", "err", "1", str(tmp_path)])
    assert lines


async def test_a_gigabyte_of_output_is_no_more_than_its_ends(confinement: SpawnerConfinement, tmp_path: Path) -> None:
    outcome = await run(confinement, shell("head -c 200000000 /dev/zero | tr '\\0' x; echo end", tmp_path), ENV, 60)
    assert outcome.status == 0
    assert outcome.printed.endswith("end")
    assert HEAD_BYTES < len(outcome.printed) < HEAD_BYTES + TAIL_BYTES + 100


async def test_what_it_started_ends_with_it(confinement: SpawnerConfinement, tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    outcome = await run(confinement, shell(f"setsid sleep 300 & echo $! > {pidfile}; wait", tmp_path), ENV, 0.5)
    assert outcome.status is None
    assert not runs(pidfile)


async def test_cancelling_kills_it(confinement: SpawnerConfinement, tmp_path: Path) -> None:
    task = asyncio.ensure_future(run(confinement, shell(f"echo $$ > {tmp_path}/pid; sleep 300", tmp_path), ENV, 60))
    await until(lambda: runs(tmp_path / "pid"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not runs(tmp_path / "pid"))  # at once, or, where it had only just begun, a moment later


async def test_a_program_that_is_not_there_is_an_error(confinement: SpawnerConfinement, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no-such-tool"):
        await run(confinement, Step(("no-such-tool",), tmp_path, "x"), ENV, 5)
