"""The HTTP server: uvicorn's sockets, TLS and life cycle, with the call lane as its protocol.

Signals are the host's business, not the server's: the server is told to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import socket
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from uvicorn.server import Server

from dragoman.ingress.http.protocol import CallProtocol
from dragoman.ingress.http.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Generator

    from dragoman.ingress.http.lane import CallLane
    from dragoman.ingress.http.options import HttpOptions

BACKLOG = 2048
"""Connections that may wait to be accepted; the kernel's own limit is usually 4096."""


def bind(options: HttpOptions) -> socket.socket:
    """Take the port, before anything else is started. Raises `OSError` that says which and why."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        message = f"cannot listen on {options.host} port {options.port}: {error}"
        raise OSError(message) from None


class HttpServer(Server):
    """Serves one lane, and an ASGI application beside it, on one socket."""

    def __init__(self, app: Any, lane: CallLane, sock: socket.socket) -> None:
        """Raises `OSError` or `ssl.SSLError` where the TLS files cannot be used."""
        options = lane.options
        config = Config(
            app,
            http=functools.partial(CallProtocol, lane=lane),  # type: ignore[arg-type] - called as a class would be
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=math.ceil(options.keep_alive_s),
            timeout_graceful_shutdown=math.ceil(options.shutdown_grace_s),
            ssl_certfile=options.tls_cert or None,
            ssl_keyfile=options.tls_key or None,
        )
        config.load()
        super().__init__(config)
        self._lane = lane
        self._sock = sock
        self._started = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it can be reached."""
        host, port = self._sock.getsockname()[:2]
        scheme = "https" if self._lane.options.tls_cert else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def open(self) -> None:
        """Begin to serve."""
        self._task = asyncio.ensure_future(self.serve(sockets=[self._sock]))
        self._sweeper = asyncio.ensure_future(sweep(self.server_state.connections, self._lane))
        started = asyncio.ensure_future(self._started.wait())
        await asyncio.wait((self._task, started), return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            await self._task

    async def close(self) -> None:
        """Take no new connection; answer what has been read, within the grace; then end."""
        self.should_exit = True
        if self._task is not None:
            await self._task
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so to whoever waits in `open`."""
        await super().startup(sockets)
        self._started.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the host."""
        yield
