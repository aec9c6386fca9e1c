"""A host: the sources of one project in service. It starts them, takes calls for them, reloads and stops them."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from dragoman.core.call import Call
from dragoman.core.fault import FailedPrecondition, Fault, StartFailed, Started
from dragoman.core.service import Pending, settle
from dragoman.host.hosted import Hosted, PooledSource, PoolView
from dragoman.host.inline import InlineSource
from dragoman.host.registry import Registry
from dragoman.wire.meta import DEPTH_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.config.project import Project, Source
    from dragoman.core.call import Codec
    from dragoman.core.clock import Clock
    from dragoman.core.target import Target
    from dragoman.host.journal import Journal
    from dragoman.sandbox.confinement import Confinement
    from dragoman.wire.handshake import Hello
    from dragoman.workers.outbound import GuestCall


class Host:
    """Runs one project's functions, on the loop it is started on."""

    def __init__(  # noqa: PLR0913 - the composition root hands over a host's ports once
        self,
        project: Project,
        confinement: Confinement,
        clock: Clock,
        journal: Journal,
        hello: Callable[[Source], Hello],
        environment: Callable[[Source], Mapping[str, str]],
        next_id: Callable[[], int],
    ) -> None:
        self.project = project
        self.registry = Registry(project, clock)
        self._confinement = confinement
        self._clock = clock
        self._now = clock.monotonic
        self._journal = journal
        self._hello = hello
        self._environment = environment
        self._next_id = next_id
        self._reloading = asyncio.Lock()
        self.draining = False

    async def start(self) -> dict[str, Fault]:
        """Start every source, side by side; return why, for those that could not. They are tried again by themselves."""
        sources = [self._hosted(source) for source in self.project.sources.values()]
        for hosted in sources:
            self.registry.announce(hosted)
        outcomes = await asyncio.gather(*(self._begin(hosted) for hosted in sources))
        return {hosted.source.name: fault for hosted, fault in zip(sources, outcomes, strict=True) if fault is not None}

    async def stop(self, timeout_s: float | None = None) -> None:
        """Let calls in flight finish for up to `timeout_s` seconds, then end everything that was started."""
        self.draining = True
        await asyncio.gather(*(hosted.stop(timeout_s) for hosted in self.registry.sources.values()))
        await self._confinement.aclose()

    async def reload(self, name: str) -> Fault | None:
        """Put a changed source in service in place of the old one, which drains; a broken one changes nothing.

        Returns why it is broken, or `None`.
        """
        async with self._reloading:
            old = self.registry.sources[name]
            fresh = self._hosted(old.source)
            try:
                contracts = await fresh.start()
            except Fault as fault:
                await fresh.stop(0)
                return fault
            self.registry.replace(fresh, contracts)
            await old.stop()
            return None

    def route(self, call: GuestCall) -> Pending:
        """Run a call that a function makes of another."""
        try:
            entry = self.registry.find(call.function)
        except Fault as fault:
            return Pending.failed(fault)
        if call.depth > DEPTH_MAX:
            detail = f"{call.function} is call number {call.depth} of a chain; chains end at {DEPTH_MAX}"
            return Pending.failed(FailedPrecondition(detail, started=Started.NO, function=call.function))
        timeout_s = min(call.remaining_s or math.inf, entry.target.timeout_s)
        nested = self.call(entry.target, call.body, call.codec, call.reply_codec, timeout_s)
        nested.depth = call.depth
        nested.trace = call.trace
        return settle(entry.service(nested))

    def call(
        self, target: Target, body: bytes, codec: Codec, reply_codec: Codec, timeout_s: float | None = None
    ) -> Call:
        """A call of a function, ready for its stack. `timeout_s` may only shorten the function's own."""
        now = self._now()
        own_s = target.timeout_s
        deadline = now + (own_s if timeout_s is None or timeout_s > own_s else timeout_s)
        return Call(target, body, codec, reply_codec, id=self._next_id(), deadline=deadline, arrived_at=now)

    def ready(self) -> tuple[bool, dict[str, str]]:
        """Whether every source can be called, and why not for those that cannot."""
        reasons = {
            name: hosted.fault.detail for name, hosted in self.registry.sources.items() if hosted.fault is not None
        }
        if self.draining:
            reasons["host"] = "it is stopping"
        return not reasons, reasons

    def pools(self) -> list[PoolView]:
        """The pools, for whoever counts workers."""
        return [PoolView(hosted) for hosted in self.registry.sources.values() if isinstance(hosted, PooledSource)]

    def _hosted(self, source: Source) -> Hosted:
        if source.mode == "inline":
            return InlineSource(source)
        pooled = PooledSource(source, self._confinement, self._clock, self._journal, self.route)
        return pooled.prepare(self._hello(source), self._environment(source))

    async def _begin(self, hosted: Hosted) -> Fault | None:
        try:
            contracts = await hosted.start()
        except StartFailed as fault:
            if isinstance(hosted, PooledSource):
                hosted.supervisor.on_first_ready = lambda contracts: self.registry.replace(hosted, contracts)
            return fault
        self.registry.replace(hosted, contracts)
        return None
