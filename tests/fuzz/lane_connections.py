"""What the fuzz targets of the call lane share: a lane, and connections to it.

The targets are run by their paths, so that they find it beside them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from dragoman.core.call import Call
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, NotFound
from dragoman.ingress.http.doors import Doors
from dragoman.ingress.http.lane import CallLane
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.http.protocol import CallProtocol
from dragoman.ingress.listener import Naming
from dragoman.telemetry.metrics import IngressMeter, Meter
from dragoman.telemetry.trace import Tracer

TURNS = 6
"""Turns of the loop after which everything that needs no waiting has been answered."""

App = Callable[[Any, Any, Any], Awaitable[None]]


class Silent:
    """Counts, and fails on nothing."""

    counts = IngressMeter()

    def failed(self, call: Call, fault: Fault) -> None:
        """Leave it."""


class LaneConnections:
    """One lane, and connections to it one after the other; what is no call of it is the app's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: HttpOptions, app: App) -> None:
        self.loop = loop
        self.errors: list[Any] = []
        self.meter = Meter()
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.doors = Doors(NotFound)
        self.lane = CallLane(
            self.doors,
            options,
            Tracer(lambda size: b"\x01" * size),
            SystemClock(),
            Naming("fuzz", "00000000", count(1).__next__),
            Silent(),
        )
        self._config = Config(app, ws="none", lifespan="off", log_config=None, interface="asgi3", proxy_headers=False)
        self._config.load()

    async def answer(self, pieces: list[bytes], first: bytes = b"") -> bytes:
        """What a client hears that sends these pieces, then leaves: after that nothing may be held any more.

        `first` goes before them, and is not waited for.
        """
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        state = ServerState()
        transport, protocol = await self.loop.connect_accepted_socket(
            lambda: CallProtocol(self._config, state, {}, self.loop, lane=self.lane), theirs
        )
        if first:
            protocol.data_received(first)
        heard = bytearray()
        for piece in pieces:
            if not transport.is_closing():
                protocol.data_received(piece)
            await self._hear(ours, heard)
        await self._hear(ours, heard)
        ours.close()
        transport.abort()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert not self.errors, self.errors
        assert self.meter.in_flight == 0
        assert self.lane.held_bytes == 0
        return bytes(heard)

    async def _hear(self, sock: socket.socket, heard: bytearray) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
            with suppress(BlockingIOError, ConnectionResetError):
                heard += sock.recv(1 << 20)
