"""A host behind HTTP, from the first socket to the last signal."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from typing import TYPE_CHECKING

from dragoman.host.assemble import host as assemble_host
from dragoman.host.doors import HostCatalogue, HostDoors, Listener
from dragoman.host.memory import keep_freed_memory
from dragoman.ingress.http.lane import CallLane, Naming
from dragoman.ingress.http.routes import build
from dragoman.ingress.http.server import HttpServer, bind
from dragoman.security.tls import context
from dragoman.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.fault import Fault
    from dragoman.host.assemble import Parts
    from dragoman.host.host import Host
    from dragoman.ingress.http.options import HttpOptions
    from dragoman.telemetry.log import Log

START_S = 5.0
"""How long the first answer waits for sources that are slow to start; they are served when they are ready."""


class Serving:
    """One host and its HTTP server."""

    def __init__(self, parts: Parts, options: HttpOptions, log: Log, version: str) -> None:
        """Take the port. Raises `OSError` where it cannot be had, or where the TLS files cannot be used."""
        self.parts = parts
        self.options = options
        self.faults: dict[str, Fault] = {}
        self._log = log
        self._tls = context(options.tls_cert, options.tls_key)
        self._sock = bind(options)
        self._version = version
        self.host: Host
        self.server: HttpServer

    async def start(self, begun: tuple[Host, asyncio.Future[dict[str, Fault]]] | None = None) -> None:
        """Start sources and server, on the running loop; `begun` is a host that starts already, and its start."""
        self.host, starting = begun or (assemble_host(self.parts), None)
        metrics = Metrics(self._version)
        metrics.pools = self.host.pools
        doors = HostDoors(self.host, metrics)
        lane = CallLane(
            doors.doors,
            self.options,
            self.parts.tracer,
            self.parts.clock,
            Naming(self.parts.project.name, self.parts.call_prefix, self.parts.next_id),
            Listener(metrics, self._log),
        )
        self.server = HttpServer(build(HostCatalogue(self.host), metrics, self.host), lane, self._sock, self._tls)
        starting = starting or asyncio.ensure_future(self.host.start())
        await asyncio.wait((starting,), timeout=START_S)
        if starting.done():
            self.faults = starting.result()
        await self.server.open()
        if lane.connections_max < self.options.connections_max:
            self._log.warning(
                "this process may not open files for so many connections",
                connections_max=self.options.connections_max,
                possible=lane.connections_max,
            )
        keep_freed_memory()
        # What is here now stays: collections need not walk through it again.
        gc.freeze()

    async def stop(self) -> None:
        """Refuse new calls, let those in flight finish within the grace, then end everything.

        Calls that are still in flight then are answered `UNAVAILABLE`: their workers are ended before the connections.
        """
        self.host.draining = True
        await self.server.drain(self.options.shutdown_grace_s)
        await self.host.stop(0)
        await self.server.close()


async def until_signal(on_second: Callable[[], None]) -> int:
    """Wait for SIGTERM or SIGINT, and return it; another one after that runs `on_second` at once."""
    loop = asyncio.get_running_loop()
    first = loop.create_future()

    def received(number: int) -> None:
        if first.done():
            on_second()
            os._exit(128 + number)
        first.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)
    return await first
