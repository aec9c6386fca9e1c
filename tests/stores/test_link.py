from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from dragoman.stores.connecting import connector, opened
from dragoman.stores.link import Link
from dragoman.stores.lost import StoreLost
from dragoman.stores.options import StoreOptions
from tests.valkey import outcome, until

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def linked(serve: Serve, lost: list[str], timeout_s: float = 5.0) -> AsyncGenerator[Link]:
    """A link to a server that does what the test says."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):  # CLIENT SETINFO, twice, by which redis-py begins
            await reader.readuntil(b"SETINFO")
        writer.write(b"+OK\r\n+OK\r\n")
        await serve(reader, writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options = StoreOptions(f"redis://127.0.0.1:{port}", timeout_s=timeout_s)
    counts: dict[str, int] = dict.fromkeys(("timeouts", "refused", "full", "crowded"), 0)
    link = Link(await opened(connector(options), 5.0), options, counts, lost.append)
    yield link
    await link.close()
    server.close()


async def asked(reader: asyncio.StreamReader, times: int = 1) -> None:
    for _ in range(times):
        await reader.readuntil(b"$1\r\na\r\n")


async def test_answers_come_in_the_order_of_questions_however_they_are_cut() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader, 3)
        for byte in b"$1\r\n1\r\n$-1\r\n*2\r\n:1\r\n$3\r\n\r\n3\r\n":
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)

    lost: list[str] = []
    async with linked(serve, lost) as link:
        answers = await asyncio.gather(*(link.ask(b"GET", b"a") for _ in range(3)))
        assert answers == [b"1", None, [1, b"\r\n3"]]
        assert not lost


async def test_what_is_answered_late_is_dropped_and_the_next_is_not_mistaken_for_it() -> None:
    late = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        await late.wait()
        writer.write(b"$4\r\nlate\r\n")
        await asked(reader)
        writer.write(b"$4\r\nnext\r\n")

    lost: list[str] = []
    async with linked(serve, lost, timeout_s=0.3) as link:
        assert isinstance(await outcome(link.ask(b"GET", b"a")), StoreLost)
        late.set()
        assert await link.ask(b"GET", b"a") == b"next"
        assert not lost


@pytest.mark.parametrize("nonsense", [b"?\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n", b"*1\r\n!\r\n"])
async def test_a_server_that_speaks_something_else_is_lost(nonsense: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(nonsense)

    lost: list[str] = []
    async with linked(serve, lost) as link:
        assert isinstance(await outcome(link.ask(b"GET", b"a")), StoreLost)
        assert len(lost) == 1


async def test_a_server_that_answers_what_was_not_asked_is_lost() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK\r\n")

    lost: list[str] = []
    async with linked(serve, lost):
        await until(lambda: lost)
        assert lost == ["the server answers what was not asked"]


async def test_one_operation_without_any_answer_is_enough_in_the_end() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)

    lost: list[str] = []
    async with linked(serve, lost, timeout_s=0.05) as link:
        assert isinstance(await outcome(link.ask(b"GET", b"a")), StoreLost)
        await until(lambda: lost)
        assert link.in_flight == 0


async def test_a_loop_that_was_busy_is_no_reason_to_call_an_answer_late() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(b"$1\r\n1\r\n")
        await writer.drain()
        # The answer lies at the client's socket while its loop, which is this one, is kept busy past the timeout.
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 0.1:
            pass

    lost: list[str] = []
    async with linked(serve, lost, timeout_s=0.05) as link:
        assert await link.ask(b"GET", b"a") == b"1"
