"""Real workers killed, stopped, cut off and starved on purpose, and what their callers see of it."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import Code, DeadlineExceeded, Fault, Started
from dragoman.host.host import Host
from dragoman.host.registry import Registry
from dragoman.policies.chaos import Chaos, ChaosOptions
from dragoman.policies.surroundings import Surroundings
from tests.integration.conftest import Write, descendants, hosted, pool_of, soon

SOURCE = """
import time

def square(n: int) -> int: return n * n
def nap(s: float) -> float:
    time.sleep(s)
    return s
async def calm(s: float) -> float:
    import asyncio
    await asyncio.sleep(s)
    return s
"""
TOML = """
[defaults]
timeout = "1.5s"
cancel_grace = "100ms"
[sources.work]
path = "work.py"
workers = { min = 2, max = 2 }
"""


def trouble(registry: Registry, name: str, **options: Any) -> Chaos:
    """Put chaos around a function's pool."""
    entry = registry.entries[name]
    chaos = Chaos(ChaosOptions(**options), replace(Surroundings.here(), random=random.Random(20261121).random))
    registry.entries[name] = replace(entry, service=chaos(entry.hosted.service))
    return chaos


async def call(host: Host, name: str, body: bytes, timeout_s: float | None = None) -> bytes:
    entry = host.registry.find(name)
    made = host.call(entry.target, body, Codec.JSON, Codec.JSON, timeout_s)
    return bytes((await entry.service(made)).body)


async def ten_callers(host: Host, times: int) -> tuple[Counter[str], set[Started]]:
    """Each calls so many times and checks its answers: how calls ended, and whether those that failed had begun."""
    seen: Counter[str] = Counter()
    began: set[Started] = set()

    async def caller() -> None:
        for n in range(times):
            try:
                assert await call(host, "work.square", b'{"n": %d}' % n) == b"%d" % (n * n)
                seen["ok"] += 1
            except Fault as fault:
                seen[fault.code.value] += 1
                began.add(fault.started)

    await asyncio.gather(*(caller() for _ in range(10)))
    return seen, began


def idle(host: Host) -> bool:
    pool = pool_of(host, "work")
    return pool.idle and not pool.leases


@pytest.mark.parametrize("kind", ["kill", "corrupt"])
async def test_a_lost_worker_is_its_callers_loss_alone_and_is_replaced(write: Write, kind: str) -> None:
    async with hosted(write(work__py=SOURCE, dragoman__toml=TOML)) as host:
        chaos = trouble(host.registry, "work.square", **{kind: 0.05})
        seen, began = await ten_callers(host, 40)
        assert chaos.counts[kind] >= 5
        assert Started.NO not in began
        assert seen["ok"] >= 200
        assert set(seen) <= {"ok", Code.UNAVAILABLE.value}
        assert sum(seen.values()) == 400
        await soon(lambda: idle(host))
        chaos.options = ChaosOptions()
        assert await call(host, "work.square", b'{"n": 3}') == b"9"


@pytest.mark.parametrize("kind", ["stop", "drop"])
async def test_a_worker_that_is_silent_costs_its_caller_the_deadline_and_no_more(write: Write, kind: str) -> None:
    async with hosted(write(work__py=SOURCE, dragoman__toml=TOML)) as host:
        before = descendants(os.getpid())
        chaos = trouble(host.registry, "work.calm", **{kind: 1.0})
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded) as late:
            await call(host, "work.calm", b'{"s": 0.01}', 0.5)
        assert time.monotonic() - began < 1.0
        assert late.value.function == "work.calm"
        chaos.options = ChaosOptions()
        assert await call(host, "work.calm", b'{"s": 0.01}') == b"0.01"
        await soon(lambda: idle(host))
        await soon(lambda: len(pool_of(host, "work").workers) == 2)
        await soon(lambda: len(descendants(os.getpid())) <= len(before))


async def test_every_trouble_at_once_is_answered_for_every_call(write: Write) -> None:
    async with hosted(write(work__py=SOURCE, dragoman__toml=TOML)) as host:
        shares = dict.fromkeys(("latency", "fault", "kill", "stop", "drop", "corrupt"), 0.03)
        chaos = trouble(host.registry, "work.square", **shares, latency_s=0.01)
        async with asyncio.timeout(60):
            seen, _ = await ten_callers(host, 15)
        assert sum(seen.values()) == 150
        assert set(seen) <= {"ok", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
        assert sum(chaos.counts.values()) > 10
        await soon(lambda: idle(host))


@pytest.mark.parametrize("kind", ["memory", "cpu"])
async def test_what_is_taken_away_beside_the_workers_is_given_back(write: Write, kind: str) -> None:
    folder = write(work__py=SOURCE, dragoman__toml=TOML + 'limits = { memory = "256MB" }\n')
    async with hosted(folder) as host:
        spawner = descendants(os.getpid())
        chaos = trouble(host.registry, "work.square", **{kind: 1.0}, exhaust_s=0.5)
        for n in range(5):
            assert await call(host, "work.square", b'{"n": %d}' % n) == b"%d" % (n * n)
        await soon(lambda: len(descendants(os.getpid())) > len(spawner))
        chaos.options = ChaosOptions()
        await soon(lambda: len(descendants(os.getpid())) <= len(spawner))
