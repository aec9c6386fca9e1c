"""A host with its ways in, from the first socket to the last signal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dragoman.config.problem import ConfigError
from dragoman.core.fault import Fault
from dragoman.host.applying import Applying
from dragoman.host.assemble import host as assemble_host
from dragoman.host.census import HostCensus
from dragoman.host.memory import keep_freed_memory
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.native.options import NativeOptions
from dragoman.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dragoman.host.assemble import Parts
    from dragoman.host.difference import Difference
    from dragoman.host.host import Host
    from dragoman.host.native import Native
    from dragoman.host.operating import Operating
    from dragoman.host.web import Web
    from dragoman.ingress.http.server import HttpServer
    from dragoman.ingress.native.server import NativeServer
    from dragoman.telemetry.log import Log

STDIN_BYTES = 4096
START_S = 5.0
"""How long the first answer waits for sources that are slow to start, or are built; they are served when they are
ready."""


@dataclass(frozen=True, slots=True)
class Ingresses:
    """The ways in. `http.shutdown_grace_s` holds for all of them."""

    http: HttpOptions = field(default_factory=HttpOptions)
    native: NativeOptions = field(default_factory=NativeOptions)


class Audience(Protocol):
    """Whoever is told what becomes of the project file."""

    def applied(self, file: Path, told: Difference) -> None:
        """It is in force, as far as that takes no restart."""
        ...

    def refused(self, file: Path | None, wrong: str) -> None:
        """It could not be put in force: why."""
        ...


class Serving:
    """One host and its servers."""

    def __init__(self, parts: Parts, ingresses: Ingresses, log: Log, version: str) -> None:
        """Take ports and sockets. Raises `OSError` where one cannot be had, or where the TLS files cannot be used."""
        self.parts = parts
        self.ingresses = ingresses
        self.faults: dict[str, Fault] = {}
        self._log = log
        self._version = version
        self._web = self._take_port(ingresses.http) if ingresses.http.enabled else None
        try:
            self._native = self._take_sockets(ingresses.native) if ingresses.native.listen else None
        except BaseException:
            if self._web is not None:
                self._web.close()
            raise
        self.host: Host
        self.server: HttpServer | None = None
        self.native: NativeServer | None = None
        self.applying: Applying | None = None
        self.audience: Audience | None = None
        self.operating: Operating | None = None
        self.renewed = asyncio.Event()
        """Set when other sources are in force than before."""

    @property
    def url(self) -> str | None:
        """Where HTTP is served; None where it is not."""
        return None if self.server is None else self.server.url

    @property
    def urls(self) -> list[str]:
        """Where native clients are served."""
        return [] if self.native is None else self.native.urls

    async def start(
        self, begun: tuple[Host, asyncio.Future[dict[str, Fault]]] | None = None, wait_s: float | None = START_S
    ) -> None:
        """Start sources and servers, on the running loop; `begun` is a host that starts already, and its start.

        The servers open when that has ended, and after `wait_s` seconds in any case.
        """
        self.host, starting = begun or (assemble_host(self.parts), None)
        self.applying = Applying(self.host, self.parts.clock)
        metrics = Metrics(self._version)
        metrics.pools, metrics.layers = self.host.pools, self.host.layers
        metrics.tasks = self.host.tasking.meter
        metrics.census = HostCensus(self.host.tasking, self.parts.clock)
        self.server = None if self._web is None else self._web.server(self.host, metrics, self._log)
        self.native = None if self._native is None else self._native.server(self.host, metrics, self._log)
        starting = starting or asyncio.ensure_future(self.host.start())
        await asyncio.wait((starting,), timeout=wait_s)
        if starting.done():
            self.faults = starting.result()
        await self._open()
        self.host.consume(metrics)
        await self._let_operators_in()
        keep_freed_memory()
        # What is here now stays: collections need not walk through it again.
        gc.freeze()

    async def apply(self) -> Difference:
        """Put the project file in force as it is now. Raises `ConfigError` or a `Fault` where it cannot be."""
        file = self.parts.project.file
        assert self.applying is not None, "apply() before start()"
        try:
            told = await self.applying()
        except (ConfigError, Fault) as error:
            if self.audience is not None:
                self.audience.refused(file, error.detail if isinstance(error, Fault) else str(error))
            raise
        if told.started or told.retired or told.reloaded:
            self.renewed.set()
        if self.audience is not None and file is not None and not told.empty:
            self.audience.applied(file, told)
        return told

    async def try_to_apply(self) -> None:
        """The same for nobody who waits for an answer; the audience hears of it."""
        if self.applying is None:
            return  # it is only just starting, and has just read the file
        with contextlib.suppress(ConfigError, Fault):
            await self.apply()

    async def stop(self) -> None:
        """Refuse new calls, let those in flight finish within the grace, then end everything.

        Calls that are still in flight then are answered `UNAVAILABLE`: their workers are ended before the connections.
        """
        self.host.draining = True
        servers = [each for each in (self.server, self.native) if each is not None]
        grace_s = self.ingresses.http.shutdown_grace_s
        await asyncio.gather(*(each.drain(grace_s) for each in servers), self.host.end_tasks(grace_s))
        await self.host.stop(0)
        await asyncio.gather(*(each.close() for each in servers))
        if self.operating is not None:
            await self.operating.close()

    def leave(self) -> None:
        """Give up ports and sockets where `stop` was not, or will not be, waited for. Harmless when repeated."""
        if self._web is not None:
            self._web.close()
        if self._native is not None:
            self._native.close()
        if self.operating is not None:
            self.operating.leave()

    async def _open(self) -> None:
        if self.native is not None:
            await self.native.open()
        if self.server is not None:
            await self.server.open()
            wanted, possible = self.ingresses.http.connections_max, self.server.connections_max
            if possible < wanted:
                self._log.warning(
                    "this process may not open files for so many connections",
                    connections_max=wanted,
                    possible=possible,
                )

    async def _let_operators_in(self) -> None:
        from dragoman.host.operating import Operating  # noqa: PLC0415 - see run.py: it is imported while sources start

        try:
            self.operating = Operating(self, self.parts, self._log, self._version)
        except OSError as error:
            self._log.warning("there is no control socket: dragoman apply cannot reach this host", reason=str(error))
        else:
            await self.operating.open()

    def _take_port(self, options: HttpOptions) -> Web:
        from dragoman.host.web import Web  # noqa: PLC0415 - see the module there

        return Web(self.parts, options)

    def _take_sockets(self, options: NativeOptions) -> Native:
        from dragoman.host.native import Native  # noqa: PLC0415 - as above

        return Native(self.parts, options, self._version)


async def until_told(on_second: Callable[[], None], *, with_stdin: bool = False) -> int:
    """Wait for SIGTERM or SIGINT, and return it; another one after that runs `on_second` at once.

    With `with_stdin`, the end of standard input is as good as SIGTERM: whoever started this program has gone.
    """
    loop = asyncio.get_running_loop()
    first = loop.create_future()

    def received(number: int) -> None:
        if first.done():
            on_second()
            os._exit(128 + number)
        first.set_result(number)

    def ended() -> None:
        if not first.done():
            first.set_result(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)
    if with_stdin:
        # A thread, since loops cannot watch every kind of file; it ends with the process.
        threading.Thread(target=read_to_end, args=(loop, ended), name="stdin", daemon=True).start()
    return await first


def read_to_end(loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
    """Read standard input until there is no more, then tell the loop."""
    with contextlib.suppress(OSError):
        while os.read(0, STDIN_BYTES):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(ended)
