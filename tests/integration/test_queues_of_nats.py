"""Queues of NATS JetStream, on hosts and servers that are killed."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from nats.aio.client import Client

from dragoman.queues.jetstream import plain
from tests.integration.conftest import soon
from tests.integration.web import serving
from tests.nats import Server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from tests.integration.conftest import Write

pytestmark = pytest.mark.needs("nats-server")

CODE = '''
import os, signal, time
from pathlib import Path
from dragoman import Fault

HERE = Path(__file__).parent

def log(text: str) -> None:
    with (HERE / "begun.txt").open("a") as file:
        file.write(text + "\\n")

def work(n: int) -> int:
    return n

def hold(n: int) -> int:
    """Run until a file is there."""
    log(str(n))
    while not (HERE / "go").exists():
        time.sleep(0.01)
    return n

def frail(n: int) -> int:
    if n == 3:
        log(str(n))
        raise Fault.unavailable("not yet")
    return n
'''


def toml(server: Server, function: str) -> str:
    return f"""
[project]
name = "shop"
[sources.shop]
path = "shop.py"
workers = 2
[queues.orders]
url = "{server.url}"
from = "orders"
function = "shop.{function}"
to = "results"
lease = "1s"
base = "10ms"
max = "50ms"
"""


@pytest.fixture
def broker() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def shop(write: Write) -> Path:
    return write(shop__py=CODE)


class Outside:
    """Somebody else's program beside the host."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[Any]:
        client: Any = Client()
        await client.connect(self._server.url)
        try:
            yield client.jetstream()
        finally:
            await client.close()

    async def send(self, *inputs: dict[str, Any]) -> None:
        async with self._connected() as streams:
            for each in inputs:
                await streams.publish("orders", json.dumps(each).encode())

    async def state(self, stream: str) -> Any:
        async with self._connected() as streams:
            return (await streams.stream_info(plain(stream))).state

    async def unhandled(self) -> int:
        async with self._connected() as streams:
            info = await streams.consumer_info("orders", plain("shop-orders"))
            return info.num_ack_pending + info.num_pending

    async def read(self, stream: str) -> list[tuple[bytes, dict[str, str]]]:
        async with self._connected() as streams:
            state = (await streams.stream_info(plain(stream))).state
            span = range(state.first_seq, state.last_seq + 1)
            rows = [await streams.get_msg(plain(stream), sequence) for sequence in span]
        return [(row.data, row.headers or {}) for row in rows]

    async def results(self) -> Counter[int]:
        return Counter(int(body) for body, _ in await self.read("results"))


async def reached(outside: Outside, stream: str, count: int) -> None:
    async with asyncio.timeout(30):
        while (await outside.state(stream)).messages < count:  # noqa: ASYNC110 - another program's
            await asyncio.sleep(0.05)


async def settled(outside: Outside) -> None:
    async with asyncio.timeout(30):
        while await outside.unhandled():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


def begun(folder: Path) -> int:
    path = folder / "begun.txt"
    return len(path.read_text().split()) if path.exists() else 0


async def test_what_a_host_had_when_it_was_killed_is_handled_by_the_next(shop: Path, broker: Server) -> None:
    outside = Outside(broker)
    with serving(cwd=shop, toml=toml(broker, "hold")) as first:
        await reached_stream(outside)
        await outside.send(*({"n": n} for n in range(10)))
        await soon(lambda: begun(shop) == 2)
        first.signal(signal.SIGKILL)
        first.ended()
    (shop / "go").touch()
    with serving(cwd=shop, toml=toml(broker, "hold")):
        await reached(outside, "results", 10)
        await settled(outside)
        assert await outside.results() == Counter(range(10))


async def test_a_server_that_is_killed_under_load_loses_and_doubles_nothing(shop: Path, broker: Server) -> None:
    outside = Outside(broker)
    with serving(cwd=shop, toml=toml(broker, "work")):
        await reached_stream(outside)
        for part in range(3):
            await outside.send(*({"n": n} for n in range(part * 200, part * 200 + 200)))
            broker.kill()
            broker.start()
        await reached(outside, "results", 600)
        await settled(outside)
        assert await outside.results() == Counter(range(600))


async def test_a_fault_that_does_not_pass_is_a_dead_letter_after_its_attempts(shop: Path, broker: Server) -> None:
    outside = Outside(broker)
    with serving(cwd=shop, toml=toml(broker, "frail")):
        await reached_stream(outside)
        await outside.send(*({"n": n} for n in range(10)))
        await reached(outside, "orders.dead", 1)
        await reached(outside, "results", 9)
        ((body, headers),) = await outside.read("orders.dead")
        assert (json.loads(body), headers["dragoman-attempts"]) == ({"n": 3}, "3")
        assert json.loads(headers["dragoman-fault"])["detail"] == "not yet"
        assert begun(shop) == 3
        await settled(outside)


async def reached_stream(outside: Outside) -> None:
    """The host has made the stream."""
    async with asyncio.timeout(20):
        while True:
            try:
                await outside.state("orders")
            except Exception:  # noqa: BLE001 - there is none yet
                await asyncio.sleep(0.05)
            else:
                return
