"""The load is open: calls come when they are due, and each answer is counted for its priority."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from bench import surge

STATUS = {"critical": b"200 OK", "normal": b"429 Too Many Requests", "batch": b"503 Service Unavailable"}


@asynccontextmanager
async def answering(seen: Counter[str], *, hang_up: bool = False) -> AsyncGenerator[str]:
    """A server that answers each priority in its own way, in two pieces."""

    ended: set[asyncio.Event] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.Event()
        ended.add(end)
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            await reader.readexactly(2)
            found = re.search(rb"Dragoman-Priority: (\w+)", head)
            assert found is not None
            priority = found.group(1).decode()
            seen[priority] += 1
            if hang_up:
                break
            writer.write(b"HTTP/1.1 %b\r\ncontent-length: 3\r\n\r\n1" % STATUS[priority])
            await writer.drain()
            writer.write(b"23")
        writer.close()
        end.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/call/x.y"
        for end in ended:
            await end.wait()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surge, "SETTLE_S", 0.1)


async def test_answers_are_counted_by_priority_and_status_once_the_load_has_settled() -> None:
    seen: Counter[str] = Counter()
    async with answering(seen) as url:
        found = await surge.surge(url, 0.3, {"critical": 200.0, "normal": 400.0, "batch": 50.0})
    assert {name: each["success"] for name, each in found.items()} == {"critical": 1.0, "normal": 0.0, "batch": 0.0}
    assert found["batch"]["failed"] == round(found["batch"]["offered_s"] * 0.3) > 0
    assert found["normal"]["failed"] == 0
    assert 100 < found["critical"]["good_s"] < 400
    assert 0 < found["critical"]["p50_us"] <= found["critical"]["p99_us"]
    assert seen["critical"] > round(found["critical"]["offered_s"] * 0.3), "the first are not measured"


async def test_a_server_that_hangs_up_has_failed_its_calls() -> None:
    async with answering(Counter(), hang_up=True) as url:
        found = await surge.surge(url, 0.2, {"critical": 100.0})
    assert found["critical"]["failed"] > 0
    assert found["critical"]["success"] == 0.0
