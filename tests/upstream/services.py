"""Services for the tests: a small HTTP server of the test's own on its loop, and projects that call it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from dragoman.client.value import decode_reply, encode_for
from dragoman.core.call import Reply

Scope = dict[str, Any]
Message = dict[str, Any]
Responder = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One request at the service, and the way to answer it."""

    def __init__(self, scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode()
        self.query: str = scope["query_string"].decode()
        self.headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.body = b""
        self.receive = receive
        self._send = send

    async def read(self) -> None:
        """Take the body."""
        while True:
            message = await self.receive()
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                return

    async def left(self) -> None:
        """Wait until the client has gone."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int = 200, **headers: str) -> None:
        """Send the head; `content_type="text/plain"`."""
        sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": sent})

    async def write(self, body: bytes, *, more: bool = True) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        """Send it all."""
        await self.start(status, **({"content_type": "application/json"} | headers))
        await self.write(body, more=False)

    async def answer_json(self, value: object, status: int = 200, **headers: str) -> None:
        """Send a value."""
        await self.answer(json.dumps(value).encode(), status, **headers)

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)


class Service:
    """A running service. `respond` answers each request; `requests` are those that came."""

    def __init__(self) -> None:
        self.requests: list[Exchange] = []
        self.respond: Responder = echo
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __call__(self, scope: Scope, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        exchange = Exchange(scope, receive, send)
        self.requests.append(exchange)
        await exchange.read()
        await self.respond(exchange)


async def echo(exchange: Exchange) -> None:
    await exchange.answer(exchange.body or b"null")


@asynccontextmanager
async def serving() -> AsyncGenerator[Service]:
    """A service on the running loop."""
    service = Service()
    config = uvicorn.Config(service, port=0, log_level="critical", access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    server.config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    service.port = server.servers[0].sockets[0].getsockname()[1]
    ticking = asyncio.ensure_future(server.main_loop())
    try:
        yield service
    finally:
        server.should_exit = server.force_exit = True
        await ticking
        await server.shutdown()


async def call(host: Any, function: str, timeout_s: float | None = None, **parameters: Any) -> Reply:
    """The reply of a function, as it comes."""
    entry = host.registry.find(function)
    asked = host.call(entry.target, *encode_for(entry.target, parameters), timeout_s)
    return await entry.service(asked)


def value(reply: Reply) -> Any:
    """The value of a reply."""
    return decode_reply(reply)
