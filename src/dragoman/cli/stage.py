"""Where a rehearsal takes place: a project hosted for it, whose troubles it makes, or a host that runs already."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.cli.outcome import Stop, complain
from dragoman.config.drill import nearest
from dragoman.config.project import FunctionSettings
from dragoman.contract.codecs import json
from dragoman.core.call import Codec
from dragoman.core.fault import NotFound
from dragoman.host.hosted import PooledSource, PoolView

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dragoman.cli.local import LocalHost
    from dragoman.client.async_native import AsyncNative
    from dragoman.client.async_remote import AsyncRemote
    from dragoman.config.drill import Drill, Event, Load, Step
    from dragoman.config.project import Project
    from dragoman.config.written import Written
    from dragoman.host.host import Host

QUIET_S = 5.0
"""How long a host has after the last answer to let go of everything: cancelled calls have their grace."""
POLL_S = 0.02
HELD = ("in_flight", "waiting", "open")
"""What the states of layers call what they hold of a call."""


class Stage(Protocol):
    """Where functions are called."""

    def begin(self, step: Step) -> None:
        """A step begins: its troubles are in force from now on, and those of the last one no longer."""
        ...

    async def call(self, load: Load) -> None:
        """Call once, and take the whole reply. Raises its `Fault`."""
        ...

    def strike(self, event: Event) -> str:
        """Have an event happen; what came of it, in words."""
        ...

    def counts(self, function: str) -> dict[str, int]:
        """What has been counted of a function so far, by words."""
        ...

    async def leaks(self) -> dict[str, int]:
        """What is still held once everybody has an answer, by words."""
        ...


class LocalStage:
    """A project hosted in this process."""

    def __init__(self, host: Host, project: Project) -> None:
        self._host = host
        self._project = calm(project)

    def begin(self, step: Step) -> None:
        """Renew all stacks with the step's troubles."""
        self._host.registry.renew(troubled(self._project, step.chaos))
        for wrong in misfits(self._host, step):
            complain(wrong)

    async def call(self, load: Load) -> None:
        """Call by the stack that the function has now."""
        entry = self._host.registry.find(load.function)
        call = self._host.call(entry.target, load.input, Codec.JSON, Codec.JSON, load.timeout_s)
        call.caller = "drill"
        if load.priority is not None:
            call.priority = load.priority
        reply = await entry.service(call)
        if reply.items is not None:
            try:
                async for _ in reply.items:
                    pass
            finally:
                await reply.items.aclose()

    def strike(self, event: Event) -> str:
        """Kill or stop a worker: the first of the source's."""
        hosted = self._host.registry.sources[event.source]
        assert isinstance(hosted, PooledSource), "checked before the first step"
        if not hosted.pool.workers:
            return f"{event.source} had no worker"
        worker = hosted.pool.workers[0]
        if not event.stops:
            worker.process.kill()
            return f"killed worker {worker.pid} of {event.source}"
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGSTOP)
        return f"stopped worker {worker.pid} of {event.source}"

    def counts(self, function: str) -> dict[str, int]:
        """Retries and troubles of the function, and restarts in its source."""
        entry = self._host.registry.find(function)
        retry, chaos = entry.layers.get("retry"), entry.layers.get("chaos")
        counts = {} if chaos is None else {f"chaos.{name}": count for name, count in chaos.counts.items()}
        counts["retries"] = retry.counts.get("retried", 0) if retry else 0
        counts["restarts"] = PoolView(entry.hosted).restarts if isinstance(entry.hosted, PooledSource) else 0
        return counts

    async def leaks(self) -> dict[str, int]:
        """Wait a while for calls, places and lent workers to be given back; those that are not."""
        for _ in range(int(QUIET_S / POLL_S)):
            held = self._held()
            if not held:
                break
            await asyncio.sleep(POLL_S)
        return self._held()

    def _held(self) -> dict[str, int]:
        found = {"calls": 0, "lent workers": 0, "places in layers": 0}
        for hosted in self._host.registry.sources.values():
            if isinstance(hosted, PooledSource):
                found["calls"] += hosted.pool.in_flight + len(hosted.pool.line)
                found["lent workers"] += len(hosted.pool.leases)
        for entry in self._host.registry.entries.values():
            for layer in entry.layers.values():
                state = layer.state()
                found["places in layers"] += sum(sum(numbers(state.get(word))) for word in HELD)
        return {word: count for word, count in found.items() if count}


class RemoteStage:
    """A host that runs already, as its clients see it."""

    def __init__(self, remote: AsyncRemote | AsyncNative) -> None:
        self._remote = remote
        self._inputs: dict[bytes, Any] = {}

    def begin(self, step: Step) -> None:
        """Read the inputs once."""
        self._inputs = {load.input: json.decode(load.input) for load in step.loads}

    async def call(self, load: Load) -> None:
        """Call the host."""
        await self._remote.call(load.function, self._inputs[load.input], timeout=load.timeout_s)

    def strike(self, event: Event) -> str:
        """Nothing: refused before the first step."""
        return f"nothing happened to {event.source}"

    def counts(self, function: str) -> dict[str, int]:
        """Nothing that a client could see."""
        del function
        return {}

    async def leaks(self) -> dict[str, int]:
        """Nothing that a client could see."""
        return {}


def numbers(value: object) -> Iterator[int]:
    """The whole numbers in a layer's state."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, dict):
        for each in value.values():  # pyright: ignore[reportUnknownVariableType] - any JSON
            yield from numbers(each)  # pyright: ignore[reportUnknownArgumentType] - as above


def calm(project: Project) -> Project:
    """A project without the troubles that it makes itself, where those are switched off."""
    if project.chaos:
        return project
    sources = {name: replace(each, writings=untroubled(each.writings)) for name, each in project.sources.items()}
    functions = {name: replace(each, writings=untroubled(each.writings)) for name, each in project.functions.items()}
    return replace(project, sources=sources, functions=functions)


def untroubled(writings: Mapping[str, Written]) -> dict[str, Written]:
    """Settings without those of chaos."""
    return {key: written for key, written in writings.items() if not key.startswith("chaos.")}


def troubled(project: Project, chaos: Mapping[str, Mapping[str, Written]]) -> Project:
    """A project with troubles for some of its functions."""
    functions = dict(project.functions)
    for name, writings in chaos.items():
        own = functions.get(name, FunctionSettings())
        functions[name] = replace(own, writings={**untroubled(own.writings), **writings})
    return replace(project, functions=functions, chaos=project.chaos or bool(chaos))


def check(drill: Drill, project: Project, file: str) -> None:
    """See that every source that a rehearsal names is there, and has workers to strike. Raises `Stop`."""
    wrong: list[str] = []
    sources: dict[str, str] = {}
    for name, place in named(drill):
        sources.setdefault(name.partition(".")[0], place)
    wrong += [nearest(name, project.sources, place) for name, place in sources.items() if name not in project.sources]
    for step in drill.steps:
        for event in step.events:
            source = project.sources.get(event.source)
            if source is None:
                wrong.append(nearest(event.source, project.sources, event.place))
            elif source.bounds_calls:
                wrong.append(f"{event.place}: {event.source} has no workers (mode = {source.mode!r})")
    if wrong:
        raise Stop("\n".join(f"{file}: {each}" for each in dict.fromkeys(wrong)))


async def wait_for(drill: Drill, local: LocalHost, file: str) -> None:
    """Wait until the functions that a rehearsal names are in service.

    Raises `Stop` where there is none of that name, and the `Fault` of a source that cannot start.
    """
    wrong: list[str] = []
    for name, place in dict(reversed(list(named(drill)))).items():
        try:
            await local.entry(name)
        except NotFound as fault:
            wrong.append(f"{file}: {place}: {fault.detail}")
    if wrong:
        raise Stop("\n".join(wrong))


def named(drill: Drill) -> Iterator[tuple[str, str]]:
    """The functions that a rehearsal names, and where."""
    for step in drill.steps:
        for load in step.loads:
            yield load.function, load.place
        for name, writings in step.chaos.items():
            for written in writings.values():
                yield name, f"{written.place.name} (line {written.place.line})"


def misfits(host: Host, step: Step) -> list[str]:
    """Which troubles find no hold in a function."""
    sources = {name.partition(".")[0] for name in step.chaos}
    return [wrong for name in sorted(sources) for wrong in host.registry.strangers(name) if " chaos" in wrong]
