"""The HTTP half of a host that serves: imported where it is wanted, since its libraries are the slowest of a start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.host.doors import HostCatalogue, HostDoors, HostTasks, Listener
from dragoman.ingress.http.board import Board
from dragoman.ingress.http.lane import CallLane
from dragoman.ingress.http.routes import build
from dragoman.ingress.http.server import HttpServer, bind
from dragoman.ingress.listener import Naming
from dragoman.security.tls import context

if TYPE_CHECKING:
    from dragoman.host.assemble import Parts
    from dragoman.host.host import Host
    from dragoman.ingress.http.options import HttpOptions
    from dragoman.telemetry.log import Log
    from dragoman.telemetry.metrics import Metrics


class Web:
    """The port of one host, and what serves it."""

    def __init__(self, parts: Parts, options: HttpOptions) -> None:
        """Take the port. Raises `OSError` where it cannot be had, or where the TLS files cannot be used."""
        self._parts = parts
        self._options = options
        self._tls = context(options.tls_cert, options.tls_key)
        self._sock = bind(options)

    def server(self, host: Host, metrics: Metrics, log: Log) -> HttpServer:
        """The server of a host, not yet open."""
        parts = self._parts
        lane = CallLane(
            HostDoors(host, metrics).doors,
            self._options,
            parts.tracer,
            parts.clock,
            Naming(parts.project.name, parts.call_prefix, parts.next_id),
            Listener(metrics.http, log),
        )
        lane.board = Board(HostTasks(host.tasking.tasks), parts.clock)
        return HttpServer(build(HostCatalogue(host), metrics, host, lane.board), lane, self._sock, self._tls)

    def close(self) -> None:
        """Leave the port."""
        self._sock.close()
