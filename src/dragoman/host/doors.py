"""The host's functions as the HTTP ingress wants them: doors for calls, a catalogue for everything else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dragoman.ingress.http.catalogue import FunctionEntry
from dragoman.ingress.http.doors import Door, Doors
from dragoman.tasks.state import State
from dragoman.tasks.task import Query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from dragoman.core.call import Call, Reply
    from dragoman.core.fault import Fault
    from dragoman.core.terms import Terms
    from dragoman.host.host import Host
    from dragoman.host.registry import Entry
    from dragoman.ingress.http.tasks import Document, Wanted
    from dragoman.tasks.tasks import Tasks
    from dragoman.telemetry.log import Log
    from dragoman.telemetry.metrics import IngressMeter, Metrics


class HostDoors:
    """Keeps the doors of an ingress in step with the host's functions."""

    def __init__(self, host: Host, metrics: Metrics) -> None:
        self.doors = Doors(host.registry.missing)
        self._metrics = metrics
        host.registry.on_change.append(self._changed)
        self._changed(host.registry.entries)

    def _changed(self, entries: Mapping[str, Entry]) -> None:
        metrics = self._metrics
        self.doors.replace(
            {
                name: Door(entry.target, entry.service, metrics.meter(name), entry.contract.input)
                for name, entry in entries.items()
            }
        )


class HostCatalogue:
    """The host's functions as its pages list them."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._made: tuple[int, dict[str, FunctionEntry]] = (-1, {})

    @property
    def service(self) -> str:
        """The project's name."""
        return self._host.project.name

    @property
    def version(self) -> int:
        """Changes whenever the functions do."""
        return self._host.registry.version

    def functions(self) -> Mapping[str, FunctionEntry]:
        """The functions by full name, sorted."""
        version, made = self._made
        if version != self.version:
            entries = sorted(self._host.registry.entries.items())
            made = {name: shown(name, entry) for name, entry in entries}
            self._made = (self.version, made)
        return made

    def messages(self) -> dict[str, Any]:
        """The AsyncAPI document of the project's queues."""
        from dragoman.queues.asyncapi import build  # noqa: PLC0415 - for hosts that are asked for it

        contracts = {name: entry.contract for name, entry in self.functions().items()}
        return build(self.service, str(self.version), self._host.project.queues.values(), contracts)


def shown(name: str, entry: Entry) -> FunctionEntry:
    """One function as the pages show it."""
    source = entry.source
    # The project file may say of a function that it is idempotent, or that it is not.
    contract = replace(entry.contract, idempotent=entry.target.idempotent)
    return FunctionEntry(name, contract, source.name, source.language, source.mode, entry.target.timeout_s)


class HostTasks:
    """The host's tasks as an ingress asks for them."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    async def submit(self, call: Call, terms: Terms) -> tuple[Document, bool]:
        """Store a call as a task."""
        return await self._tasks.submit(call, terms)

    async def show(self, task: str, /) -> Document:
        """A task, with its attempts."""
        return await self._tasks.show(task)

    async def result(self, task: str, /) -> Reply | None:
        """What a task gave; None while it is not over."""
        return await self._tasks.result(task)

    async def find(self, wanted: Wanted, /) -> Document:
        """A page of tasks."""
        return await self._tasks.find(
            Query(
                frozenset(map(State, wanted.states)),
                wanted.function,
                wanted.caller,
                wanted.schedule,
                wanted.parent,
                wanted.before,
                wanted.limit,
            )
        )

    def events(self, task: str, /, after: int = 0) -> AsyncIterator[tuple[int, str, Document]]:
        """What becomes of a task, until it is over."""
        return self._tasks.events(task, after)

    async def logs(self, task: str, /, after: int = 0) -> list[Document]:
        """The lines that a task has logged."""
        return await self._tasks.logs(task, after)

    async def cancel(self, task: str, /) -> Document:
        """Have a task never run, or be stopped."""
        return await self._tasks.cancel(task)

    async def retry(self, task: str, /) -> Document:
        """Have a task that ended without a result run anew."""
        return await self._tasks.retry(task)

    async def undelivered(self) -> list[Document]:
        """Messages about ends of tasks that were given up."""
        return await self._tasks.undelivered()

    async def redeliver(self, task: str, /) -> None:
        """Have such a message tried again."""
        await self._tasks.redeliver(task)


class Listener:
    """Writes what a lane tells to metrics and log."""

    def __init__(self, counts: IngressMeter, log: Log) -> None:
        self.counts = counts
        self._log = log

    def failed(self, call: Call, fault: Fault) -> None:
        """Log a call that failed, if it is somebody's fault here."""
        fault.function = fault.function or call.target.name
        self._log.fault(fault)
