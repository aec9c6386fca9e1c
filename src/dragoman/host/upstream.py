"""Sources that are services of their own: their operations as functions, and their process where the host starts it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.contract.function import Contract
from dragoman.core.fault import Fault, StartFailed
from dragoman.sandbox.confinement import Launch
from dragoman.upstream.child import Child
from dragoman.upstream.http import HttpUpstream
from dragoman.upstream.setting import Setting, Upstream
from dragoman.workers.scaling import backoff_s

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.config.project import Source
    from dragoman.core.call import Call
    from dragoman.core.clock import Clock
    from dragoman.core.service import Service
    from dragoman.host.journal import Journal
    from dragoman.sandbox.confinement import Confinement
    from dragoman.upstream.options import UpstreamOptions

POLL_S = 0.01
PORT = "{port}"


class UpstreamSource:
    """A service that runs elsewhere, or that the host runs beside itself."""

    def __init__(self, source: Source, clock: Clock, journal: Journal, call_id: Callable[[Call], str]) -> None:
        assert source.upstream is not None
        self.source = source
        self.contracts: tuple[Contract, ...] = ()
        self._options = source.upstream
        self._clock = clock
        self._journal = journal
        self._fault: Fault | None = None
        self._port = 0
        self._child: Child | None = None
        self._retrying: asyncio.Task[None] | None = None
        self._ready: Callable[[tuple[Contract, ...]], None] | None = None
        setting = Setting(
            source.name,
            source.upstream,
            clock,
            source.pool.concurrency,
            source.output_bytes_max,
            self._refusal,
            call_id,
            self._note,
            alone_contract(source) if source.upstream.alone else None,
        )
        self._setting = setting
        self._upstream: Upstream | None = None

    def prepare(self, confinement: Confinement, env: Mapping[str, str]) -> UpstreamSource:
        """Have the service started by this confinement, where that is the host's to do. `env` is all it sees."""
        if self._options.command:
            child = Child(
                self.source.name,
                lambda port: launch(self.source, env, port),
                self._healthy,
                confinement,
                self._journal,
                self._clock,
            )
            child.wants_port = asks_for_port(self._options)
            child.start_timeout_s = self.source.pool.start_timeout_s
            self._child = child
        self._setting = replace(self._setting, confinement=confinement)
        return self

    @property
    def service(self) -> Service:
        """What runs its calls, once it has started."""
        return self._opened()

    @property
    def building(self) -> bool:
        """Nobody here builds a service."""
        return False

    @property
    def checks(self) -> bool:
        """Nobody can know: the host checks input before it goes out."""
        return False

    @property
    def as_json(self) -> bool:
        """A request is made out of an input, and that is read once, from JSON."""
        return True

    @property
    def fault(self) -> Fault | None:
        """Why it cannot be called now."""
        return self._fault or self._refusal()

    @property
    def place(self) -> str:
        """Where the service is, for people."""
        return self._opened().place

    async def reach(self, timeout_s: float) -> str:
        """Why it takes no connection; empty where it does."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._opened().reach()
        except TimeoutError:
            return f"{self.place} took no connection within {timeout_s:g}s"

    def notify(self, ready: Callable[[tuple[Contract, ...]], None]) -> None:
        """After a start that failed: try again, with growing pauses, and tell `ready` once that succeeds."""
        self._ready = ready
        if self._retrying is None:
            self._retrying = asyncio.ensure_future(self._retry())

    def retire(self, successor: Service) -> None:
        """Nothing: calls that were looked up before go to the service as long as it is there."""

    async def start(self) -> tuple[Contract, ...]:
        """Start the service if it is ours, and learn what it offers. Raises `StartFailed`."""
        timeout_s = self.source.pool.start_timeout_s
        try:
            upstream = self._opened()
            if self._child is not None:
                await self._child.start()
            async with asyncio.timeout(timeout_s):
                self.contracts = await upstream.learn()
        except Fault as fault:
            self._fault = fault
            raise
        except TimeoutError:
            detail = f"{self.source.name} did not tell what it offers within its start_timeout of {timeout_s:g}s"
            self._fault = StartFailed(detail)
            raise self._fault from None
        self._fault = None
        return self.contracts

    async def stop(self, timeout_s: float | None = None) -> None:
        """Let calls in flight be answered, then close the connections and end the service if it is ours."""
        if self._retrying is not None:
            self._retrying.cancel()
        wait_s = self.source.pool.drain_timeout_s if timeout_s is None else timeout_s
        deadline = self._clock.monotonic() + wait_s
        upstream = self._upstream
        while upstream is not None and upstream.in_flight and self._clock.monotonic() < deadline:  # noqa: ASYNC110 - at an end, no hot path
            await asyncio.sleep(POLL_S)
        if upstream is not None:
            await upstream.close()
        if self._child is not None:
            await self._child.stop()

    async def _healthy(self, port: int) -> str:
        upstream = self._opened()
        if port and port != self._port:
            self._port = port
            upstream.point(port)
        return await upstream.healthy()

    def _opened(self) -> Upstream:
        if self._upstream is None:
            self._upstream = made(self._setting)
        return self._upstream

    async def _retry(self) -> None:
        failures = 1
        while True:
            if self._child is None or self._child.fault is None:  # a child that failed paces its own starts
                await asyncio.sleep(backoff_s(failures))
            try:
                contracts = await self.start()
            except Fault:
                failures += 1
                continue
            if self._ready is not None:
                self._ready(contracts)
            return

    def _refusal(self) -> Fault | None:
        return None if self._child is None else self._child.refusal()

    def _note(self, message: str) -> None:
        self._journal.note("warning", message, self.source.name, 0)


def made(setting: Setting) -> Upstream:
    """The service of a setting, by its kind. Raises `StartFailed` where a library for it is missing."""
    if setting.options.kind == "http":
        return HttpUpstream(setting)
    try:
        from dragoman.upstream.rpc.service import GrpcUpstream  # noqa: PLC0415 - an extra, which few hosts need
    except ModuleNotFoundError as error:
        detail = f"{setting.name} is a gRPC service, and {error.name} is not installed: pip install 'dragoman[grpc]'"
        raise StartFailed(detail) from None
    return GrpcUpstream(setting)


def asks_for_port(options: UpstreamOptions) -> bool:
    """Whether the host is to choose a port for the service."""
    return PORT in options.url or PORT in options.address


def launch(source: Source, env: Mapping[str, str], port: int) -> Launch:
    """How the service is started, at a port or where it always is."""
    options = source.upstream
    assert options is not None

    def filled(text: str) -> str:
        return text.replace(PORT, str(port)) if port else text

    return Launch(
        tuple(filled(part) for part in options.command),
        env={name: filled(value) for name, value in env.items()},
        cwd=str(source.folder),
        limits=source.limits,
        wired=False,
    )


def alone_contract(source: Source) -> Contract:
    """The contract of a service that is one function, as its project declares it."""
    return Contract(
        name=source.name,
        description=source.description,
        input=dict(source.input) if source.input is not None else {"type": "object"},
        output=dict(source.output) if source.output is not None else {},
        streaming=source.upstream is not None and source.upstream.streaming,
        idempotent=bool(source.idempotent),
    )
