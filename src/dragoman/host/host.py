"""A host: the sources of one project in service. It starts them, takes calls for them, reloads and stops them."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dragoman.contract.fitting import fitted, in_reach
from dragoman.core.call import Call
from dragoman.core.fault import (
    DeadlineExceeded,
    Draining,
    FailedPrecondition,
    Fault,
    NotFound,
    Overloaded,
    Started,
    StartFailed,
)
from dragoman.core.service import Pending, settle
from dragoman.host.hosted import Hosted, PooledSource, PoolView
from dragoman.host.registry import STARTING_RETRY_S, Registry
from dragoman.host.world import World
from dragoman.policies.surroundings import Surroundings, call_later
from dragoman.wire.meta import DEPTH_MAX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator, Mapping

    from dragoman.building.builder import Builder
    from dragoman.config.project import Project, Source
    from dragoman.contract.function import Contract
    from dragoman.core.call import Codec, Reply
    from dragoman.core.clock import Clock
    from dragoman.core.draft import Draft
    from dragoman.core.service import Service
    from dragoman.core.target import Target
    from dragoman.host.delivering import Delivering
    from dragoman.host.journal import Journal
    from dragoman.host.queueing import Queueing
    from dragoman.host.scheduling import Scheduling
    from dragoman.host.tasking import Tasking
    from dragoman.policies.surroundings import Policy
    from dragoman.sandbox.confinement import Confinement
    from dragoman.telemetry.metrics import Metrics
    from dragoman.wire.handshake import Hello
    from dragoman.workers.outbound import GuestCall


PATIENCE_S = 5.0
"""How long whoever opens a project waits for sources that are slow to start, once all are built and another can be
called."""
BUILDS_POLL_S = 0.05
"""How often builds are looked at: much less than one takes."""
ATTEND_S = 0.0002
"""How often workers are looked at while calls are refused: every ten refusals or so."""
ATTEND_SHARE = 10
"""And so many times as long apart as looking takes: about 1 µs for each busy worker, of which there may be many."""
OWN = "tasks."
"""How the names of functions of the host itself begin (`host.errands`)."""
LOCAL = "local"
"""Who calls where no ingress says it: the program that this host is part of."""
REMAINING_S_MIN = 0.001
"""What is left of a time that has just run out: 0 would say that there is no limit."""


def check_started(host: Host, faults: Mapping[str, Fault]) -> None:
    """Raise `StartFailed` where nothing could be started; one broken source leaves the others in service."""
    if faults and len(faults) == len(host.project.sources):
        raise StartFailed("; ".join(fault.detail for fault in faults.values()))


def is_served(begun: asyncio.Task[Fault | None]) -> bool:
    """Whether a source's start has ended well."""
    return begun.done() and not begun.cancelled() and begun.result() is None


class Furniture(NamedTuple):
    """What a host has tasks and queues with."""

    tasking: Tasking
    scheduling: Scheduling
    delivering: Delivering
    queueing: Queueing


@dataclass(frozen=True, slots=True)
class Outfit:
    """What the workers of a source are started with: HELLO, their whole environment, and who builds their code."""

    hello: Callable[[Source], Hello]
    environment: Callable[[Source], Mapping[str, str]]
    builder: Builder


class Host:
    """Runs one project's functions, on the loop it is started on."""

    def __init__(
        self,
        project: Project,
        confinement: Confinement,
        clock: Clock,
        journal: Journal,
        next_id: Callable[[], int],
        outfit: Outfit,
    ) -> None:
        surroundings = Surroundings(clock, call_later, random.random, next_id, self._attend)
        self.world = World(surroundings, self._stand_in, project.shared)
        self.registry = Registry(project, self.world)
        self._confinement = confinement
        self._clock = clock
        self._now = clock.monotonic
        self._journal = journal
        self._next_id = next_id
        self._outfit = outfit
        self._beginning: dict[str, asyncio.Task[Fault | None]] = {}
        self._early: Counter[str] = Counter()
        self._attend_at = 0.0
        self._reloading: dict[str, asyncio.Lock] = {}
        self._fresh: set[Hosted] = set()
        self._retired: dict[Hosted, asyncio.Task[None]] = {}
        self.draining = False
        self.furnish: Callable[[], Furniture]
        self._furniture: Furniture | None = None

    @property
    def project(self) -> Project:
        """What is in force."""
        return self.registry.project

    @property
    def tasking(self) -> Tasking:
        """Its tasks."""
        return self._furnished().tasking

    @property
    def scheduling(self) -> Scheduling:
        """Its schedules."""
        return self._furnished().scheduling

    @property
    def delivering(self) -> Delivering:
        """Its callbacks."""
        return self._furnished().delivering

    @property
    def queueing(self) -> Queueing:
        """Its queues."""
        return self._furnished().queueing

    def _furnished(self) -> Furniture:
        if self._furniture is None:
            self._furniture = self.furnish()
        return self._furniture

    async def start(self, patience_s: float | None = None) -> dict[str, Fault]:
        """Start every source, side by side; return why, for those that could not. They are tried again by themselves.

        With `patience_s`, builds are waited for, each by its own `build_timeout`, and after them sources for so many
        seconds more, if another is ready by then; who is late is put in service when it is ready.
        """
        for source in self.project.sources.values():
            hosted = self._hosted(source)
            self.registry.announce(hosted)
            self._beginning[source.name] = asyncio.ensure_future(self._begin(hosted))
        self._begin_tasks()
        tasks = set(self._beginning.values())
        if tasks:
            if patience_s is not None:
                await self.built()
            _, late = await asyncio.wait(tasks, timeout=patience_s)
            while late and not any(is_served(task) for task in tasks):
                _, late = await asyncio.wait(late, return_when=asyncio.FIRST_COMPLETED)
        outcomes = {
            name: task.result() for name, task in self._beginning.items() if task.done() and not task.cancelled()
        }
        return {name: fault for name, fault in outcomes.items() if fault is not None}

    async def built(self) -> None:
        """Wait until no source that starts for the first time is still being built."""
        while late := {
            begun
            for name, hosted in self.registry.sources.items()
            if hosted.building and (begun := self._beginning.get(name)) is not None and not begun.done()
        }:
            await asyncio.wait(late, timeout=BUILDS_POLL_S)

    async def stop(self, timeout_s: float | None = None) -> None:
        """Let calls in flight finish for up to `timeout_s` seconds, then end everything that was started."""
        self.draining = True
        try:
            await self.end_tasks(timeout_s or 0.0)
            everything = {*self.registry.sources.values(), *self._fresh, *self._retired}
            for task in (*self._beginning.values(), *self._retired.values()):
                task.cancel()
            await asyncio.gather(*(hosted.stop(timeout_s) for hosted in everything))
            self.registry.close()
            await self.world.close()
        finally:
            await self._confinement.aclose()

    async def end_tasks(self, drain_s: float) -> None:
        """Let tasks and messages that run end for so many seconds, and give the rest back. Harmless when repeated."""
        if self._furniture is not None:
            tasking, queueing = self._furniture.tasking, self._furniture.queueing
            await asyncio.gather(queueing.drain(drain_s), tasking.stop(drain_s))
            await queueing.close()

    def consume(self, metrics: Metrics) -> None:
        """Take calls from the queues that the project has, now or later."""

        def look(_: object) -> None:
            if self.project.queues:
                self.queueing.start(metrics)

        self.registry.on_change.append(look)
        look(None)

    def _begin_tasks(self) -> None:
        """Run tasks where there may be some; what that takes is imported for hosts that have them."""
        project = self.project
        if project.tasks.present or project.schedules:
            self.tasking.start()

    async def reload(self, name: str) -> Fault | None:
        """Put a changed source in service in place of the old one, which drains; a broken one changes nothing.

        Returns why it is broken, or `None`.
        """
        async with self._reloading.setdefault(name, asyncio.Lock()):
            old = self.registry.sources.get(name)
            if old is None:
                return NotFound(f"there is no source {name!r} in this project")
            if self.draining:
                return Draining(f"{name} is not reloaded: the host is stopping")
            return await self._swap(old)

    def exchange(self, project: Project, fresh: Iterable[Hosted], retired: Iterable[str]) -> None:
        """Have a project in force in place of the one before, in one step: no call finds a part of it changed.

        The `fresh` sources have started, and those before them drain, as the `retired` ones do. Raises `StartFailed`,
        with nothing changed, where a contract cannot be enforced.
        """
        started = list(fresh)
        before, told = dict(self.registry.sources), set(self.registry.all_strangers())
        self.registry.renew(project, started)
        for name in (*retired, *(hosted.source.name for hosted in started)):
            beginning = self._beginning.pop(name, None)
            if beginning is not None:
                beginning.cancel()
            if (old := before.get(name)) is not None:
                self._retire(old, followed=name in project.sources)
        self._fresh.difference_update(started)
        for wrong in self.registry.all_strangers():
            if wrong not in told:
                self._journal.note("warning", wrong, "", 0)
        self._begin_tasks()

    def prepare(self, source: Source) -> Hosted:
        """A source that is to be started, and then put in service or discarded."""
        hosted = self._hosted(source)
        self._fresh.add(hosted)
        return hosted

    async def discard(self, hosted: Hosted) -> None:
        """End a source that does not go in service after all."""
        await hosted.stop(0)
        self._fresh.discard(hosted)

    def route(self, call: GuestCall) -> Pending:
        """Run a call that a function makes of another; one of a source that still starts waits for it."""
        if call.depth > DEPTH_MAX:
            detail = f"{call.function} is call number {call.depth} of a chain; chains end at {DEPTH_MAX}"
            return Pending.failed(FailedPrecondition(detail, started=Started.NO, function=call.function))
        if call.function.startswith(OWN):
            return self.tasking.errands(call)
        beginning = self._beginning.get(call.function.partition(".")[0])
        if beginning is None or beginning.done() or call.function in self.registry.entries:
            return self._route(call)
        return settle(self._late(call, beginning))

    async def _late(self, call: GuestCall, beginning: asyncio.Task[Fault | None]) -> Reply:
        """Run a call of a source that is in its first start, once that has ended: by its `start_timeout` at the latest.

        Nobody can tell a function when to try again, and sources of one project start side by side, in any order.
        """
        name = call.function.partition(".")[0]
        queue = self.project.sources[name].pool.queue
        if self._early[name] >= queue:
            detail = f"{name} is still starting, with {queue} calls waiting for it already (queue = {queue})"
            raise Overloaded(detail, function=call.function, retry_after_s=STARTING_RETRY_S)
        asked_at = self._now()
        self._early[name] += 1
        try:
            await asyncio.wait((beginning,), timeout=call.remaining_s or None)
        finally:
            self._early[name] -= 1
        if not beginning.done():
            detail = f"{call.function} waited all the {call.remaining_s:g}s it was given for {name} to start"
            raise DeadlineExceeded(detail, started=Started.NO, function=call.function)
        if call.remaining_s:
            call.remaining_s = max(call.remaining_s - (self._now() - asked_at), REMAINING_S_MIN)
        return await self._route(call)

    def _route(self, call: GuestCall) -> Pending:
        try:
            target = self.registry.find(call.function).target
        except Fault as fault:
            return Pending.failed(fault)
        body, codec = fitted(call.body, call.codec, target)
        reply_codec = in_reach(target, call.reply_codec)
        nested = self.call(target, body, codec, reply_codec, call.remaining_s or math.inf)
        nested.depth = call.depth
        nested.trace = call.trace
        call.tie(nested)
        return settle(self.serve(nested))

    def serve(self, call: Call) -> Awaitable[Reply]:
        """Run a call by the stack that its function's name has now, whatever it was prepared for."""
        try:
            entry = self.registry.find(call.target.name)
        except Fault as fault:
            return Pending.failed(fault)
        call.target = entry.target
        return entry.service(call)

    def succeed(self, call: Call) -> Awaitable[Reply]:
        """Run a call that has been through the layers already, and came to a pool that had just been retired."""
        try:
            entry = self.registry.find(call.target.name)
        except Fault as fault:
            return Pending.failed(fault)
        call.target = entry.target
        return entry.inner(call)

    def _stand_in(self, name: str) -> Service | None:
        """A function that may answer for another one, if it is in service: calls are aimed at it as they come."""
        entry = self.registry.entries.get(name)
        if entry is None:
            return None
        target, service = entry.target, entry.service

        def aimed(call: Call) -> Awaitable[Reply]:
            call.target = target
            if isinstance(call.body, bytes | memoryview):
                call.body, call.codec = fitted(call.body, call.codec, target)
            call.reply_codec = in_reach(target, call.reply_codec)
            call.deadline = min(call.deadline, self._now() + target.timeout_s)
            return service(call)

        return aimed

    def call(
        self,
        target: Target,
        body: bytes | memoryview | Draft,
        codec: Codec,
        reply_codec: Codec,
        timeout_s: float | None = None,
    ) -> Call:
        """A call of a function, ready for its stack. `timeout_s` may only shorten the function's own."""
        now = self._now()
        own_s = target.timeout_s
        deadline = now + (own_s if timeout_s is None or timeout_s > own_s else timeout_s)
        call = Call(target, body, codec, reply_codec, id=self._next_id(), deadline=deadline, arrived_at=now)
        call.caller = LOCAL
        return call

    def ready(self) -> tuple[bool, dict[str, str]]:
        """Whether every source can be called, and why not for those that cannot."""
        reasons: dict[str, str] = {}
        for name, hosted in self.registry.sources.items():
            if hosted.fault is not None:
                reasons[name] = hosted.fault.detail
            elif not self.registry.serves(hosted):
                reasons[name] = "it is still starting"
        if self.draining:
            reasons["host"] = "it is stopping"
        return not reasons, reasons

    def pools(self) -> list[PoolView]:
        """The pools, for whoever counts workers."""
        return [PoolView(hosted) for hosted in self.registry.sources.values() if isinstance(hosted, PooledSource)]

    def layers(self) -> Iterator[tuple[str, str, Policy]]:
        """The layers with a state, for whoever counts what they do: function, name, layer."""
        for name, entry in self.registry.entries.items():
            for layer, policy in entry.layers.items():
                yield name, layer, policy

    def _attend(self) -> None:
        """Look at busy workers between refusals, which may make a turn of the loop long: those would stand idle."""
        now = self._now()
        if now < self._attend_at:
            return
        self._attend_at = math.inf  # what workers have said may bring the next refusal
        try:
            for hosted in tuple(self.registry.sources.values()):
                if isinstance(hosted, PooledSource):
                    hosted.pool.attend()
        finally:
            after = self._now()
            self._attend_at = after + max(ATTEND_S, ATTEND_SHARE * (after - now))

    def _hosted(self, source: Source) -> Hosted:
        if source.mode == "inline":
            from dragoman.host.inline import InlineSource  # noqa: PLC0415 - the guest's loader, which few hosts need

            return InlineSource(source, self.route)
        if source.kind == "upstream":
            from dragoman.host.upstream import UpstreamSource  # noqa: PLC0415 - the HTTP client, which few hosts need

            outfit, prefix = self._outfit, self._outfit.hello(source).call_prefix
            upstream = UpstreamSource(
                source, self._clock, self._journal, lambda call: call.public_id or f"{prefix}{call.id:08x}"
            )
            return upstream.prepare(self._confinement, outfit.environment(source))
        pooled = PooledSource(source, self._confinement, self._clock, self._journal, self.route)
        outfit = self._outfit
        return pooled.prepare(outfit.hello(source), outfit.environment(source), outfit.builder)

    async def _begin(self, hosted: Hosted) -> Fault | None:
        try:
            self._serve_as(hosted, await hosted.start())
        except Fault as fault:
            self._notify(hosted)
            return fault
        except Exception as error:  # noqa: BLE001 - a mistake of ours, which would else leave the source starting for ever
            detail = f"{hosted.source.name} cannot be served: {type(error).__name__}: {error}"
            self._journal.note("error", detail, hosted.source.name, 0)
            return StartFailed(detail)
        return None

    def _serve_as(self, hosted: Hosted, contracts: tuple[Contract, ...]) -> None:
        self.registry.replace(hosted, contracts)
        name = hosted.source.name
        for wrong in self.registry.strangers(name):
            self._journal.note("warning", wrong, name, 0)

    def _notify(self, hosted: Hosted) -> None:
        """Have a source that cannot start put in service once it can."""

        def ready(contracts: tuple[Contract, ...]) -> None:
            if self.registry.sources.get(hosted.source.name) is not hosted:
                return  # another has taken its place
            try:
                self._serve_as(hosted, contracts)
            except Fault as fault:
                self._journal.note("error", fault.detail, hosted.source.name, 0)

        hosted.notify(ready)

    async def _swap(self, old: Hosted) -> Fault | None:
        fresh = self._hosted(self.project.sources[old.source.name])
        self._fresh.add(fresh)
        kept = False
        try:
            self._serve_as(fresh, await fresh.start())
            kept = True
        except Fault as fault:
            # Where the old one does not work either, callers hear of what is wrong now, and the new one tries on.
            kept = old.fault is not None and not old.contracts
            if kept:
                self.registry.announce(fresh)
                self._notify(fresh)
            return fault
        finally:
            if not kept:
                await fresh.stop(0)
            self._fresh.discard(fresh)
            if kept:
                self._retire(old)
        return None

    def _retire(self, old: Hosted, *, followed: bool = True) -> None:
        """End what is no longer in service when it has answered everyone who looked it up before.

        Where nothing has `followed` it, it answers by itself all that still comes, until it ends.
        """
        if followed:
            old.retire(self.succeed)
        task = self._retired[old] = asyncio.ensure_future(old.stop())
        task.add_done_callback(lambda _: self._retired.pop(old, None))
