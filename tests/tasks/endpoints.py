"""HTTP endpoints on loopback that callbacks go to: each request is kept, and answered as a test has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

Answer = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader


class Endpoint:
    """Keeps what was asked. `live` connections are open now, `most` were at a time."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.live = 0
        self.most = 0
        self.port = 0
        self.sent = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.scheme}://127.0.0.1:{self.port}/hooks?for=reports"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        self.live += 1
        self.most = max(self.most, self.live)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                fields = (line.partition(":") for line in head[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in fields}
                asked = Asked(head[0], headers, await reader.readexactly(int(headers.get("content-length", 0))), reader)
                self.asked.append(asked)
                await self.answer(asked, writer)
                await writer.drain()
        finally:
            self.live -= 1
            writer.close()


@contextlib.asynccontextmanager
async def endpoint(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Endpoint]:
    """Serve on a free port."""
    made = Endpoint(answer)
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await made.serve(reader, writer)
        busy.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    made.scheme = "https" if tls else "http"
    try:
        yield made
    finally:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


def says(status: int, *headers: str, body: bytes = b"") -> Answer:
    """An endpoint that answers so."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers, "", ""]
    whole = "\r\n".join(lines).encode() + body

    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(whole)

    return answer


async def hangs(asked: Asked, _: asyncio.StreamWriter) -> None:
    """An endpoint that takes a request and says nothing, for as long as its client stays."""
    await asked.reader.read()
