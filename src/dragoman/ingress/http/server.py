"""The HTTP server: uvicorn's configuration and connections, with the call lane as their protocol.

Signals are the host's business, not the server's. It is told to drain, and then goes on listening: a caller gets 503
and a health check hears that this host is not ready, rather than both being turned away by the kernel. It is told to
close when nothing is in progress any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from uvicorn.server import Server

from dragoman.ingress.http.descriptors import room_for
from dragoman.ingress.http.protocol import CallProtocol
from dragoman.ingress.http.sweep import TICK_S, sweep

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from dragoman.ingress.http.lane import CallLane
    from dragoman.ingress.http.options import HttpOptions

BACKLOG = 2048
"""Connections that may wait to be accepted; the kernel's own limit is usually 4096."""
ACCEPTS_MAX = 32
"""Connections accepted at a time besides the one that was: each costs some 50 µs until it is served."""
PORT_MAX = 65535
CLOSE_S = 1.0
"""How long the last bytes may take to reach clients when the server closes."""
LOOK_S = 0.01
"""How often a server that ends looks whether its connections have; nobody is there to tell it."""


def bind(options: HttpOptions) -> socket.socket:
    """Take the port, before anything else is started. Raises `OSError` that says which and why."""
    host = options.host
    if not 0 <= options.port <= PORT_MAX:
        message = f"cannot listen on port {options.port}: ports end at {PORT_MAX}"
        raise OSError(message)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, options.port),
            family=family,
            backlog=BACKLOG,
            # "::" is what people write for "any address".
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        message = f"cannot listen on {host} port {options.port}: {error}"
        raise OSError(message) from None


class HttpServer(Server):
    """Serves one lane, and an ASGI application beside it, on one socket."""

    def __init__(self, app: Any, lane: CallLane, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """`sock` comes from `bind`, `tls` from `tls.context`."""
        options = lane.options
        config = Config(
            app,
            http=CallProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=math.ceil(options.keep_alive_s),
        )
        config.load()
        super().__init__(config)
        self._tls = tls
        self._lane = lane
        lane.connections_max = room_for(options.connections_max)
        self._sock = sock
        self._handshake_s: float | None = None
        self._started = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        address = sock.getsockname()
        lane.loopback_port = address[1] if is_loopback(address[0]) else 0

    @property
    def url(self) -> str:
        """Where it can be reached."""
        host, port = self._sock.getsockname()[:2]
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def connections_max(self) -> int:
        """How many connections are taken: as many as were asked for, if this process may have so many."""
        return self._lane.connections_max

    @property
    def connections(self) -> list[CallProtocol]:
        """The connections of this moment."""
        return [each for each in self.server_state.connections if isinstance(each, CallProtocol)]

    async def open(self) -> None:
        """Begin to serve."""
        self._task = asyncio.ensure_future(self.serve(sockets=[self._sock]))
        started = asyncio.ensure_future(self._started.wait())
        await asyncio.wait((self._task, started), return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            await self._task

    async def drain(self, grace_s: float) -> bool:
        """Refuse new calls, close idle connections, and wait until all requests are answered.

        False where some were not within `grace_s` seconds.
        """
        self._lane.draining = True
        if self._lane.board is not None:
            self._lane.board.drain()
        for connection in self.connections:
            connection.shutdown()
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + grace_s
        while any(connection.busy for connection in self.connections):
            if loop.time() >= give_up_at:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    async def close(self) -> None:
        """Stop listening and end every connection, whatever it is at."""
        self.should_exit = True
        self._closing.set()
        if self._task is not None:
            await self._task
        self._sock.close()

    # What uvicorn asks of a server

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Listen, and say so to whoever waits in `open`."""
        await self.lifespan.startup()
        options = self._lane.options
        self._handshake_s = options.header_timeout_s if self._tls else None
        self._sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
        listening = await asyncio.get_running_loop().create_server(
            self._accepted, sock=self._sock, ssl=self._tls, backlog=BACKLOG, ssl_handshake_timeout=self._handshake_s
        )
        self.servers = [listening]
        self.started = True
        self._started.set()

    async def main_loop(self) -> None:
        """Look after connections once a second, until told to close."""
        while not self.should_exit:
            await self.on_tick(0)
            sweep(self.connections, self._lane)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._closing.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        """End everything; what was written may still leave."""
        for listening in self.servers:
            listening.close()
        for connection in self.connections:
            connection.transport.close()
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + CLOSE_S
        while self.connections and loop.time() < give_up_at:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(LOOK_S)
        for connection in self.connections:
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()

    def _accepted(self) -> CallProtocol:
        """The protocol of a connection that has just been accepted.

        uvloop accepts one connection in each turn of its loop. Where turns are long because there is much to do, others
        would wait for seconds: so whoever comes in brings along those who wait behind it.
        """
        loop = asyncio.get_running_loop()
        for _ in range(ACCEPTS_MAX):
            try:
                sock, _ = self._sock.accept()
            except OSError:
                break
            task = loop.create_task(self._adopt(loop, sock))
            self.server_state.tasks.add(task)
            task.add_done_callback(self.server_state.tasks.discard)
        return CallProtocol(self.config, self.server_state, self.lifespan.state, loop, lane=self._lane)

    async def _adopt(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        # What fails here is the client's handshake, or its patience.
        with contextlib.suppress(OSError):
            await loop.connect_accepted_socket(
                self._accepted, sock, ssl=self._tls, ssl_handshake_timeout=self._handshake_s
            )

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the host."""
        yield


def is_loopback(address: str) -> bool:
    """Whether only programs on this machine can reach an address."""
    return address == "::1" or address.startswith("127.")
