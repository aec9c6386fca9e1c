"""Five times more calls over HTTP than the workers can bear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.web import SOURCES, Web, request, serving

SLICE_S = 0.6
QUEUE = 20
WORKERS = 2
ROOM = QUEUE + WORKERS
TIMES = 5
REFUSED_S = 0.02
TURNS_MIN, TURNS_MAX = 3, 15
"""Whatever else this machine does only takes away from a turn: what the best of them show is what the host can do."""
TOML = f"""
[project]
name = "busy"
[sources.web]
path = "web.py"
workers = {{ min = {WORKERS}, max = {WORKERS} }}
queue = {QUEUE}
"""


class Slice(NamedTuple):
    """What came of a stretch of load: answers a second, and how long each refusal took, in seconds."""

    answered: float
    refusals: list[float]


class Caller(asyncio.Protocol):
    """One connection with at most one call; each answer is small enough to come in one piece."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.statuses: list[bytes] = []
        self.refusals: list[float] = []
        self.sent_at = 0.0
        self.again = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def call(self) -> None:
        self.sent_at = time.monotonic()
        self.transport.write(request("work"))

    def data_received(self, data: bytes) -> None:
        self.statuses.append(data[9:12])
        if data.startswith(b"HTTP/1.1 429 "):
            self.refusals.append(time.monotonic() - self.sent_at)
        self.sent_at = 0.0
        if self.again:
            self.call()


async def callers(web: Web, number: int) -> list[Caller]:
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Caller, "127.0.0.1", web.port))[1] for _ in range(number)]


def result(made: list[Caller], took_s: float) -> Slice:
    for caller in made:
        caller.transport.abort()
    statuses = [status for caller in made for status in caller.statuses]
    assert set(statuses) <= {b"200", b"429"}
    return Slice(statuses.count(b"200") / took_s, [each for caller in made for each in caller.refusals])


async def closed(web: Web, number: int) -> Slice:
    """Callers that call again as soon as they are answered: the most that the workers can do."""
    made = await callers(web, number)
    begun = time.monotonic()
    for caller in made:
        caller.again = True
        caller.call()
    await asyncio.sleep(SLICE_S)
    return result(made, time.monotonic() - begun)


async def opened(web: Web, per_s: float) -> Slice:
    """Calls that come at a rate, whether those before them were answered or not."""
    made = await callers(web, ROOM * TIMES)
    begun, sent, turn = time.monotonic(), 0, cycle(made)
    while (now := time.monotonic()) - begun < SLICE_S:
        while sent < (now - begun) * per_s:
            sent += 1
            free = next((caller for caller in islice(turn, len(made)) if not caller.sent_at), None)
            if free is not None:
                free.call()
        await asyncio.sleep(0.001)
    return result(made, time.monotonic() - begun)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder: Path = tmp_path_factory.mktemp("busy")
    (folder / "web.py").write_text((SOURCES / "web.py").read_text())
    with serving(cwd=folder, toml=TOML) as served:
        yield served


async def test_nearly_as_much_is_answered_as_ever_and_the_rest_refused_at_once(web: Web) -> None:
    peaks, loads, slowest, refused = list[float](), list[float](), list[float](), 0
    for _ in range(TURNS_MAX):
        peaks.append((await closed(web, ROOM)).answered)
        flood = await opened(web, TIMES * max(peaks))
        loads.append(flood.answered)
        refused += len(flood.refusals)
        slowest.append(sorted(flood.refusals)[int(len(flood.refusals) * 0.95)])
        if max(loads) >= 0.9 * max(peaks) and min(slowest) < REFUSED_S and len(loads) >= TURNS_MIN:
            break
    assert max(loads) >= 0.9 * max(peaks)
    assert min(slowest) < REFUSED_S
    assert refused > sum(loads) * SLICE_S
