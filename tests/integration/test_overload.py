"""More load than the workers can bear."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, NamedTuple

import dragoman
from dragoman.core.fault import DeadlineExceeded, Overloaded, Started
from tests.integration.conftest import Write, host_of, pool_of, soon

SOURCE = "import time\ndef work(blob: str) -> int:\n    time.sleep(0.01)\n    return len(blob)\n"
"""Slow enough that the workers are what is short, and not a processor that others use as well."""
TOML = '[sources.busy]\npath = "busy.py"\nworkers = 2\nqueue = 20\ntimeout = "5s"\n'
SLICE_S = 0.6
TIMES = 5
"""How many times more is asked for than can be borne."""
REFUSED_S = 0.02
TURNS_MIN, TURNS_MAX = 3, 15
"""Whatever else this machine does only takes away from a turn: what the best of them show is what the pool can do."""
BLOB = "x" * 10_000


class Slice(NamedTuple):
    """What came of a stretch of load: answers a second, and how long each refusal took, in seconds."""

    answered: float
    refusals: list[float]


async def closed(project: Any, callers: int) -> Slice:
    """So many callers, each with one call at a time: the most that the workers can do."""
    begun = time.monotonic()
    end = begun + SLICE_S
    done = 0

    async def call_on() -> None:
        nonlocal done
        while time.monotonic() < end:
            assert await project.busy.work(blob=BLOB) == len(BLOB)
            done += 1

    await asyncio.gather(*(call_on() for _ in range(callers)))
    return Slice(done / (time.monotonic() - begun), [])


async def opened(project: Any, per_s: float) -> Slice:
    """Calls that come at a rate, whether those before them were answered or not."""
    done, refusals = 0, list[float]()
    calls: set[asyncio.Task[None]] = set()

    async def call() -> None:
        nonlocal done
        begun = time.monotonic()
        try:
            await project.busy.work(blob=BLOB)
        except Overloaded:
            refusals.append(time.monotonic() - begun)
        else:
            done += 1

    begun, sent = time.monotonic(), 0
    while (now := time.monotonic()) - begun < SLICE_S:
        while sent < (now - begun) * per_s:
            sent += 1
            calls.add(task := asyncio.ensure_future(call()))
            task.add_done_callback(calls.discard)
        await asyncio.sleep(0.001)
    counted = done
    await asyncio.gather(*calls)
    return Slice(counted / SLICE_S, refusals)


def resident_kb() -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0])


async def test_at_five_times_the_load_nearly_as_much_is_answered_and_the_rest_refused_at_once(write: Write) -> None:
    async with dragoman.open(write(dragoman__toml=TOML, busy__py=SOURCE)) as project:
        await closed(project, 4)
        peaks, loads, slowest = list[float](), list[float](), list[float]()
        before_kb = resident_kb()
        for _ in range(TURNS_MAX):
            peaks.append((await closed(project, 16)).answered)
            load = await opened(project, TIMES * max(peaks))
            loads.append(load.answered)
            assert len(load.refusals) > load.answered * SLICE_S
            slowest.append(sorted(load.refusals)[int(len(load.refusals) * 0.99)])
            if max(loads) >= 0.9 * max(peaks) and min(slowest) < REFUSED_S and len(loads) >= TURNS_MIN:
                break
        assert max(loads) >= 0.9 * max(peaks)
        assert min(slowest) < REFUSED_S
        assert resident_kb() - before_kb < 40_000


async def test_nothing_of_calls_that_ran_out_of_time_in_line_is_kept(write: Write) -> None:
    toml = TOML.replace("queue = 20", "queue = 5000").replace('"5s"', '"500ms"')
    async with dragoman.open(write(dragoman__toml=toml, busy__py=SOURCE)) as project:

        async def late(blob: str) -> int:
            try:
                return await project.busy.work(blob=blob)
            except DeadlineExceeded as fault:
                return 0 if fault.started is Started.NO else -1

        before_kb = resident_kb()
        for _ in range(3):
            blob = "y" * 100_000
            answers = await asyncio.gather(*(late(blob) for _ in range(600)))
            assert answers.count(0) > 300
            assert answers.count(len(blob)) > 10
        pool = pool_of(host_of(project), "busy")
        await soon(lambda: pool.idle)
        assert resident_kb() - before_kb < 200_000
        assert await project.busy.work(blob="") == 0
