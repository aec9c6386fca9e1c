"""Connections that are used again, against a server on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import pytest

from dragoman.client.connections import Connections
from dragoman.testing.clock import ManualClock

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
IDLE_S = 30.0


class Server:
    """Answers at once, or when `go` is set."""

    def __init__(self) -> None:
        self.connections = 0
        self.left = 0
        self.go = asyncio.Event()
        self.go.set()
        self.changed = asyncio.Condition()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._count(1, 0)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await self.go.wait()
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            await self._count(0, 1)

    async def _count(self, made: int, left: int) -> None:
        async with self.changed:
            self.connections += made
            self.left += left
            self.changed.notify_all()

    async def until(self, connections: int = 0, left: int = 0) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.connections >= connections and self.left >= left)


@asynccontextmanager
async def serving(at_most: int = 4) -> AsyncGenerator[tuple[Server, httpx2.AsyncClient, ManualClock]]:
    served, clock = Server(), ManualClock()
    server = await asyncio.start_server(served, "127.0.0.1", 0)
    transport = Connections(verify=False, clock=clock, at_most=at_most, idle_s=IDLE_S)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with httpx2.AsyncClient(transport=transport, base_url=base, timeout=None) as client:
            yield served, client, clock
    finally:
        server.close()


async def test_a_connection_is_used_again() -> None:
    async with serving() as (served, client, _):
        for _ in range(3):
            assert (await client.get("/")).text == "ok"
        assert served.connections == 1


async def test_those_at_the_same_time_have_one_each_up_to_the_bound() -> None:
    async with serving(at_most=4) as (served, client, _):
        served.go.clear()
        asking = [asyncio.ensure_future(client.get("/")) for _ in range(9)]
        await served.until(connections=4)
        served.go.set()
        assert [each.text for each in await asyncio.gather(*asking)] == ["ok"] * 9
        assert served.connections == 4


async def test_who_finds_none_in_time_is_told() -> None:
    async with serving(at_most=1) as (served, client, _):
        served.go.clear()
        first = asyncio.ensure_future(client.get("/"))
        await served.until(connections=1)
        with pytest.raises(httpx2.PoolTimeout, match="in use"):
            await client.get("/", timeout=httpx2.Timeout(None, pool=0.01))
        served.go.set()
        assert (await first).text == "ok"


async def test_who_is_cancelled_gives_its_place_back() -> None:
    async with serving(at_most=1) as (served, client, _):
        served.go.clear()
        first = asyncio.ensure_future(client.get("/"))
        await served.until(connections=1)
        second = asyncio.ensure_future(client.get("/"))
        for each in (second, first):
            each.cancel()
            with pytest.raises(asyncio.CancelledError):
                await each
        served.go.set()
        assert (await client.get("/")).text == "ok"


async def test_an_answer_that_is_left_unread_gives_its_place_back() -> None:
    async with serving(at_most=1) as (_, client, _):
        for _ in range(3):
            async with client.stream("GET", "/") as response:
                assert response.status_code == 200


async def test_one_that_nobody_reaches_gives_its_place_back() -> None:
    async with serving(at_most=1) as (_, client, _):
        for _ in range(2):
            with pytest.raises(httpx2.ConnectError):
                await client.get("http://127.0.0.1:1/")
        assert (await client.get("/")).text == "ok"


async def test_what_idles_for_long_is_closed_when_others_come() -> None:
    async with serving() as (served, client, clock):
        served.go.clear()
        asking = [asyncio.ensure_future(client.get("/")) for _ in range(3)]
        await served.until(connections=3)
        served.go.set()
        await asyncio.gather(*asking)
        clock.advance(IDLE_S + 1)
        await client.get("/")
        await served.until(left=2)
