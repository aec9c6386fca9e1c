"""The native server: its sockets, its clients, and the end of both.

When it is told to drain it stops listening at once, and its sockets' files are gone: a client that looks for another
host, or for the next one at the same place, need not first be refused by this one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dragoman.ingress.native.listening import BACKLOG
from dragoman.ingress.native.protocol import NativeProtocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from dragoman.ingress.native.lane import NativeLane
    from dragoman.ingress.native.listening import Listening

TICK_S = 1.0
"""How often slow clients are looked for."""
LOOK_S = 0.01
"""How often a server that ends looks whether its clients have; nobody is there to tell it."""
CLOSE_S = 1.0
"""How long the last bytes may take to reach clients when the server closes."""
LINGER_S = 2.0
"""How long a client that was turned away may take to read why."""


class NativeServer:
    """Serves one lane on any number of sockets."""

    def __init__(self, lane: NativeLane, sockets: list[Listening], tls: ssl.SSLContext | None) -> None:
        """`sockets` come from `listening.listen`; `tls` is needed where one of them is a TCP port."""
        self._lane = lane
        self._sockets = sockets
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._ticking: asyncio.Task[None] | None = None
        self.clients: set[NativeProtocol] = set()

    @property
    def urls(self) -> list[str]:
        """Where it can be reached."""
        return [str(each.address) for each in self._sockets]

    async def open(self) -> None:
        """Begin to serve."""
        loop = asyncio.get_running_loop()
        for each in self._sockets:
            make = self._maker(each)
            each.sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
            if each.guard is not None:
                server = await loop.create_unix_server(make, sock=each.sock, backlog=BACKLOG)
            else:
                server = await loop.create_server(
                    make,
                    sock=each.sock,
                    backlog=BACKLOG,
                    ssl=self._tls,
                    ssl_handshake_timeout=self._lane.options.handshake_timeout_s,
                )
            self._servers.append(server)
        self._ticking = asyncio.ensure_future(self._tick())

    async def drain(self, grace_s: float) -> bool:
        """Take no more clients and no more calls, and wait until all calls are answered.

        False where some were not within `grace_s` seconds.
        """
        self._lane.draining = True
        self._stop_listening()
        for client in list(self.clients):
            client.drain()
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + grace_s
        while any(client.answers for client in self.clients):
            if loop.time() >= give_up_at:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    async def close(self) -> None:
        """End every connection, whatever it is at."""
        self._stop_listening()
        if self._ticking is not None:
            self._ticking.cancel()
        for client in list(self.clients):
            client.leave()
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + CLOSE_S
        while self.clients and loop.time() < give_up_at:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(LOOK_S)
        for client in list(self.clients):
            client.transport.abort()

    def _maker(self, listening: Listening) -> Callable[[], NativeProtocol]:
        lane, clients, guard = self._lane, self.clients, listening.guard
        return lambda: NativeProtocol(lane, guard, clients)

    def _stop_listening(self) -> None:
        for each in self._sockets:
            each.remove()  # first: while the socket is open, no other file can be taken for its own
        for server in self._servers:
            server.close()
        self._servers.clear()
        for each in self._sockets:
            each.sock.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            sweep(list(self.clients), self._lane)


def sweep(clients: Iterable[NativeProtocol], lane: NativeLane) -> None:
    """Turn away clients that are too slow. Wants to be called every tick."""
    now, options = lane.now(), lane.options
    for client in clients:
        quiet_s = now - client.since
        if client.gone:
            if quiet_s > LINGER_S:
                client.transport.abort()
        elif client.unread_s(now) > options.write_timeout_s:
            client.cut_off()
        elif not client.ready and quiet_s > options.handshake_timeout_s:
            client.overdue("READY", options.handshake_timeout_s)
        elif client.receiving and client.writable and quiet_s > options.frame_timeout_s:
            client.overdue("a frame, once begun,", options.frame_timeout_s)
