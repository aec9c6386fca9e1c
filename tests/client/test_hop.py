"""One hop over HTTP, against servers that are real, or really bad."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from dragoman.client.hop import Hop, HopError, Outgoing, read_all
from dragoman.core.fault import Started

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    def __init__(self) -> None:
        self.connections = 0
        self.heads: list[bytes] = []
        self.answer = OK
        self.url = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answer)
                if self.answer is not OK:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncGenerator[tuple[Server, Hop]]:
    served = Server()
    server = await asyncio.start_server(served, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a?b=%20c"
    hop = Hop(served.url, 2, secure=False)
    try:
        yield served, hop
    finally:
        await hop.close()
        server.close()


async def text(hop: Hop, outgoing: Outgoing, bytes_max: int = 100) -> bytes | None:
    answer = await hop.send(outgoing, int)
    try:
        return await read_all(answer, bytes_max)
    finally:
        await answer.close()


async def test_a_connection_is_kept_once_its_answer_has_been_read() -> None:
    async with serving() as (server, hop):
        for _ in range(3):
            assert await text(hop, Outgoing("GET", server.url, {"x-a": "b"})) == b"ok"
        assert server.connections == 1
        assert server.heads[0].startswith(b"GET /a?b=%20c HTTP/1.1\r\n")
        assert b"x-a: b\r\n" in server.heads[0]
        assert b"content-length" not in server.heads[0]


async def test_an_answer_that_is_too_long_is_none_and_costs_its_connection() -> None:
    async with serving() as (server, hop):
        assert await text(hop, Outgoing("GET", server.url, {}), 1) is None
        assert await text(hop, Outgoing("GET", server.url, {})) == b"ok"
        assert server.connections == 2


async def test_connections_are_bounded() -> None:
    async with serving() as (server, hop):
        held = [await hop.send(Outgoing("GET", server.url, {}), int) for _ in range(2)]
        third = asyncio.ensure_future(hop.send(Outgoing("GET", server.url, {}), int))
        done, _ = await asyncio.wait((third,), timeout=0.05)
        assert not done
        await held[0].close()
        await (await third).close()
        await held[1].close()


async def test_what_cannot_be_reached_has_not_started() -> None:
    hop = Hop("http://127.0.0.1:9", 1, secure=False)
    sent: list[None] = []
    with pytest.raises(HopError) as raised:
        await hop.send(Outgoing("GET", "http://127.0.0.1:9/", {}), lambda: sent.append(None))
    assert raised.value.started is Started.NO
    assert sent == []
    await hop.close()


@pytest.mark.parametrize("header", ["a\r\nb: c", "a\x00", "\n"])
async def test_a_header_that_would_be_two_is_not_sent(header: str) -> None:
    async with serving() as (server, hop):
        with pytest.raises(HopError) as raised:
            await hop.send(Outgoing("GET", server.url, {"x": header}), int)
        assert server.heads == []
        assert raised.value.started is not Started.YES


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 99999,
    ],
)
async def test_a_broken_answer_may_have_been_a_call(answer: bytes) -> None:
    async with serving() as (server, hop):
        server.answer = answer
        with pytest.raises(HopError) as raised:
            await hop.send(Outgoing("POST", server.url, {}, b"{}"), int)
        assert raised.value.started is Started.UNKNOWN


async def test_a_body_that_breaks_off_says_so() -> None:
    async with serving() as (server, hop):
        server.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"
        with pytest.raises(HopError, match="broke off"):
            await text(hop, Outgoing("GET", server.url, {}))
