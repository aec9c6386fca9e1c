"""One source in service: how its functions are run, by workers or inside the host."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from dragoman.contract.function import Contract
from dragoman.contract.manifest import to_wire
from dragoman.host.launching import Launching
from dragoman.wire.handshake import FEATURE_CHECKS, FEATURE_JSON
from dragoman.workers.pool import Pool
from dragoman.workers.runtimes import command
from dragoman.workers.source import SourceLaunch, at_once
from dragoman.workers.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dragoman.building.builder import Builder
    from dragoman.config.project import Source
    from dragoman.core.clock import Clock
    from dragoman.core.fault import Fault
    from dragoman.core.service import Service
    from dragoman.host.journal import Journal
    from dragoman.sandbox.confinement import Confinement, Launch
    from dragoman.wire.handshake import Hello
    from dragoman.workers.options import PoolOptions
    from dragoman.workers.outbound import Router


class Hosted(Protocol):
    """A source in service."""

    source: Source

    @property
    def service(self) -> Service:
        """What runs its calls; there once it has started."""
        ...

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """What it offers; empty before it first started."""
        ...

    @property
    def fault(self) -> Fault | None:
        """Why it cannot be called now, or `None`: it can, or it is still starting for the first time."""
        ...

    @property
    def building(self) -> bool:
        """Whether its first worker waits for a build, or for knowing whether there is one to do."""
        ...

    @property
    def checks(self) -> bool:
        """Whether it checks its input against the contracts by itself."""
        ...

    @property
    def as_json(self) -> bool:
        """Whether it reads JSON alone, whatever callers write."""
        ...

    def notify(self, ready: Callable[[tuple[Contract, ...]], None]) -> None:
        """After a start that failed: have `ready(contracts)` called once a later try succeeds."""
        ...

    def retire(self, successor: Service) -> None:
        """Finish what is here; calls that still come go to the successor."""
        ...

    async def start(self) -> tuple[Contract, ...]:
        """Begin. Raises `StartFailed` with the reason."""
        ...

    async def stop(self, timeout_s: float | None = None) -> None:
        """Let calls in flight finish for up to `timeout_s` seconds, then end."""
        ...


class PooledSource:
    """A source whose functions run in workers."""

    def __init__(self, source: Source, confinement: Confinement, clock: Clock, journal: Journal, route: Router) -> None:
        self.source = source
        self._confinement = confinement
        self._clock = clock
        self._journal = journal
        self._route = route
        self._launching: Launching | None = None
        self.service: Service
        self.pool: Pool
        self.supervisor: Supervisor

    def prepare(self, hello: Hello, env: Mapping[str, str], builder: Builder) -> PooledSource:
        """Make the pool, on the running loop. `env` is the whole environment of its workers."""
        source = self.source
        zygote: Callable[[], Awaitable[Launch]] | None = None
        if source.kind == "guest":
            self._launching = Launching(source, env, builder)
            launch = self._launching
            if source.language == "python" and "fork" in (source.mode, source.grow):
                zygote = self._launching.zygote
        else:
            launch = at_once(command.launch(command_settings(source), source.folder, env, source.limits))
        loop = asyncio.get_running_loop()
        self.pool = Pool(source.name, pool_options(source), loop, self._clock, self._route, self._journal)
        self.supervisor = Supervisor(self.pool, SourceLaunch(source.name, launch, hello, zygote), self._confinement)
        self.service = self.pool
        return self

    @property
    def building(self) -> bool:
        """Whether what its workers run is not there yet."""
        return self._launching is not None and not self._launching.prepared

    @property
    def checks(self) -> bool:
        """Whether its guests check input against the whole contract; else the host does."""
        return self.source.kind == "guest" and FEATURE_CHECKS in self.supervisor.features

    @property
    def as_json(self) -> bool:
        """Whether its guests read JSON alone."""
        return FEATURE_JSON in self.supervisor.features

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """What the first worker offered."""
        return self.supervisor.contracts

    @property
    def fault(self) -> Fault | None:
        """Why no worker can be had."""
        return None if self.pool.workers or self.pool.leases else self.supervisor.last_fault

    def notify(self, ready: Callable[[tuple[Contract, ...]], None]) -> None:
        """Have `ready(contracts)` called when the first worker is."""
        self.supervisor.on_first_ready = ready

    def retire(self, successor: Service) -> None:
        """Let the pool finish; calls that it has no free worker for go to the successor."""
        self.pool.retire(successor)

    async def start(self) -> tuple[Contract, ...]:
        """Start the first workers."""
        return await self.supervisor.start()

    async def stop(self, timeout_s: float | None = None) -> None:
        """Drain and end the workers."""
        try:
            await self.supervisor.stop(timeout_s)
        finally:
            if self._launching is not None:
                self._launching.close()


def pool_options(source: Source) -> PoolOptions:
    """What the project says of its pool, and what its mode makes of that."""
    if source.mode == "fork":
        return replace(source.pool, single_use=True, concurrency=1)
    return source.pool


class PoolView:
    """A pool as the metrics see it."""

    def __init__(self, hosted: PooledSource) -> None:
        self._hosted = hosted
        self.source = hosted.source.name

    @property
    def queue_length(self) -> int:
        """Calls that wait for a worker."""
        return len(self._hosted.pool.line)

    @property
    def workers(self) -> Mapping[str, int]:
        """Workers by state."""
        return self._hosted.supervisor.states()

    @property
    def starts(self) -> int:
        """Workers started so far."""
        return self._hosted.supervisor.starts

    @property
    def restarts(self) -> int:
        """Workers started in place of others that were gone."""
        return self._hosted.supervisor.restarts


def command_contract(source: Source) -> Contract:
    """The contract of an executable, as its project declares it."""
    raw_input = source.stdin == "body"
    streaming = source.stdout == "jsonl"
    output = {"text": {"type": "string"}, "bytes": {"type": "string", "contentEncoding": "base64"}}
    declared = dict(source.output) if source.output is not None else output.get(source.stdout, {})
    schema = dict(source.input) if source.input is not None else {"type": "object"}
    return Contract(
        name=source.name,
        description=source.description,
        input=schema,
        output=declared,
        streaming=streaming,
        idempotent=bool(source.idempotent),
        raw_input=raw_input,
        raw_output=source.stdout == "bytes",
    )


def command_settings(source: Source) -> dict[str, object]:
    """What the guest of an executable needs to know."""
    return {
        "name": source.name,
        "command": list(source.command),
        "stdin": source.stdin,
        "stdout": source.stdout,
        "contract": to_wire([command_contract(source)])[0],
        "output_bytes_max": source.output_bytes_max,
    }
