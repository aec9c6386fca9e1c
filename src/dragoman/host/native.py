"""The native half of a host that serves: its sockets, and the doors behind them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.host.doors import HostCatalogue, Listener
from dragoman.host.task_doors import TaskDoors
from dragoman.ingress.http.documents import Documents
from dragoman.ingress.listener import Naming
from dragoman.ingress.native.doors import Door, Doors
from dragoman.ingress.native.guard import Guard
from dragoman.ingress.native.lane import NativeLane
from dragoman.ingress.native.listening import listen
from dragoman.ingress.native.listing import own_doors
from dragoman.ingress.native.server import NativeServer
from dragoman.security.tls import context
from dragoman.telemetry.metrics import Meter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.host.assemble import Parts
    from dragoman.host.host import Host
    from dragoman.host.registry import Entry
    from dragoman.ingress.native.listening import Listening
    from dragoman.ingress.native.options import NativeOptions
    from dragoman.telemetry.log import Log
    from dragoman.telemetry.metrics import Metrics

TOKEN_BYTES_MAX = 4096
"""Any token that people use is shorter; whoever names another file by mistake is told."""
ALPN = "dragoman/1"
LOOPBACK = ("localhost", "::1")


class Native:
    """The native sockets of one host, and what serves them."""

    def __init__(self, parts: Parts, options: NativeOptions, version: str) -> None:
        """Take the addresses. Raises `OSError` where one cannot be had, or where a file cannot be used."""
        self._parts = parts
        self._options = options
        self._version = version
        self._token = read_token(options.token_file) if options.token_file else b""
        self._tls = context(options.tls_cert, options.tls_key, ALPN)
        guard = Guard(options.users, options.group)
        self._sockets: list[Listening] = []
        try:
            for url in options.listen:
                self._sockets.append(listen(url, guard))
                self._check(self._sockets[-1])
        except BaseException:
            self.close()
            raise

    def server(self, host: Host, metrics: Metrics, log: Log) -> NativeServer:
        """The server of a host, not yet open."""
        parts = self._parts
        missing = host.registry.missing
        meter = Meter()
        doors = Doors(missing, own_doors(Pages(host), missing, meter) | TaskDoors(host).doors(meter))
        lane = NativeLane(
            doors,
            self._options,
            parts.tracer,
            parts.clock,
            Naming(parts.project.name, parts.call_prefix, parts.next_id, f"dragoman/{self._version}"),
            Listener(metrics.native, log),
        )
        lane.token = self._token
        keep_in_step(doors, host, metrics)
        return NativeServer(lane, self._sockets, self._tls)

    def close(self) -> None:
        """Leave the addresses."""
        for each in self._sockets:
            each.remove()
            each.sock.close()

    def _check(self, listening: Listening) -> None:
        """Raise `OSError` for a port that has no TLS, or that strangers could reach."""
        address = listening.address
        if address.path:
            return
        if self._tls is None:
            message = (
                f"{address} needs a certificate and its key: --tls-cert and --tls-key, or native.tls_cert and .tls_key"
            )
            raise OSError(message)
        if not self._token and address.host not in LOOPBACK and not address.host.startswith("127."):
            message = (
                f"{address} can be reached from other machines and needs a token: --token-file, or native.token_file"
            )
            raise OSError(message)


class Pages:
    """The listings of a host, as bytes."""

    def __init__(self, host: Host) -> None:
        self._documents = Documents(HostCatalogue(host))

    def functions(self) -> bytes:
        """All functions with their contracts."""
        return self._documents.functions().body

    def function(self, name: str) -> bytes | None:
        """One of them; None where there is none of that name."""
        found = self._documents.function(name)
        return None if found is None else found.body


def keep_in_step(doors: Doors, host: Host, metrics: Metrics) -> None:
    """Open doors to the host's functions, now and whenever they change."""

    def changed(entries: Mapping[str, Entry]) -> None:
        doors.replace(
            {name: Door(entry.target, entry.service, metrics.meter(name, "native")) for name, entry in entries.items()}
        )

    host.registry.on_change.append(changed)
    changed(host.registry.entries)


def read_token(file: str) -> bytes:
    """The token in a file. Raises `OSError` where there is none."""
    try:
        with Path(file).open("rb") as opened:
            token = opened.read(TOKEN_BYTES_MAX + 1).strip()
    except OSError as error:
        message = f"token_file: cannot read {file}: {error.strerror}"
        raise OSError(message) from None
    if not token or len(token) > TOKEN_BYTES_MAX or not token.isascii() or not token.decode().isprintable():
        message = f"token_file: {file} must hold one token of 1 to {TOKEN_BYTES_MAX} printable ASCII characters"
        raise OSError(message)
    return token
