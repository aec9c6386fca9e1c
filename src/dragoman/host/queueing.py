"""The queues of one host: those that are read, from when their function is in service, and those written to."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, NamedTuple

from dragoman.core.fault import NotFound, Started
from dragoman.queues.brokers import broker_for
from dragoman.queues.surroundings import Door, Surroundings
from dragoman.tasks.liveness import Place, has_gone, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dragoman.core.call import Call
    from dragoman.core.fault import Fault
    from dragoman.host.journal import Journal
    from dragoman.host.registry import Entry
    from dragoman.host.works import Hosting
    from dragoman.ingress.listener import Naming
    from dragoman.queues.broker import Broker
    from dragoman.queues.consumer import Consumer
    from dragoman.queues.options import QueueOptions
    from dragoman.queues.outlet import Outlet
    from dragoman.queues.surroundings import Tasks
    from dragoman.telemetry.metrics import Metrics
    from dragoman.telemetry.trace import Tracer

ABORT_S = 10.0
"""For what was stopped to be given back, after the grace."""


class Reading(NamedTuple):
    """A consumer, and the task that it runs in."""

    consumer: Consumer
    task: asyncio.Task[None]


@dataclass(frozen=True, slots=True)
class Status:
    """One queue, for whoever counts."""

    name: str
    counts: Mapping[str, int]
    state: Mapping[str, object]


class Queueing:
    """Consumers and outlets, kept in step with the project and its functions."""

    def __init__(self, host: Hosting, tasks: Tasks, journal: Journal, tracer: Tracer, naming: Naming) -> None:
        self._host = host
        self._tasks = tasks
        self._journal = journal
        self._tracer = tracer
        self._naming = naming
        self._metrics: Metrics | None = None
        self._doors: dict[str, Door] = {}
        self._reading: dict[str, Reading] = {}
        self._ending: set[Reading] = set()
        self._outlets: dict[str, Outlet] = {}
        self._failed: set[QueueOptions] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._stopping = False

    # Publishing

    def __contains__(self, name: object) -> bool:
        """Whether there is a queue of this name that can be written to."""
        options = self._host.project.queues.get(name) if isinstance(name, str) else None
        return options is not None and bool(options.to)

    async def publish(self, name: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Publish, and return when the broker has it safe. Raises a `Fault`."""
        options = self._host.project.queues.get(name)
        if options is None or not options.to:
            raise NotFound(f"there is no queue {name!r} in this project to publish to", started=Started.NO)
        outlet = self._outlets.get(name)
        if outlet is None:
            from dragoman.queues.outlet import Outlet  # noqa: PLC0415 - for hosts that publish

            outlet = self._outlets[name] = Outlet(options, self._broker(options, reading=False), self._naming.service)
        await outlet.publish(body, headers, headers.get("webhook-id", ""))

    # Consuming

    def start(self, metrics: Metrics) -> None:
        """Consume, each queue from when its function is in service. Harmless when repeated."""
        if self._metrics is not None:
            return
        self._metrics = metrics
        metrics.queues = self.statistics
        self._host.registry.on_change.append(self._changed)
        self._changed(self._host.registry.entries)

    def hold(self) -> None:
        """Fetch nothing more."""
        self._stopping = True
        for reading in self._reading.values():
            reading.consumer.stop()

    async def drain(self, grace_s: float) -> None:
        """Let what has begun end within the grace, and give back the rest."""
        self.hold()
        readings = {*self._reading.values(), *self._ending}
        await ended(readings, grace_s)
        for reading in readings:
            reading.consumer.abort()
        await ended(readings, ABORT_S)
        for reading in readings:
            reading.task.cancel()
        await ended(readings, None)

    async def close(self) -> None:
        """Let go of everything."""
        await self.drain(0.0)
        outlets, self._outlets = self._outlets, {}
        await asyncio.gather(*(outlet.close() for outlet in outlets.values()), *self._closing)

    def statistics(self) -> Iterator[Status]:
        """The queues that are read, for whoever counts."""
        for name, reading in tuple(self._reading.items()):
            yield Status(name, reading.consumer.counts, reading.consumer.state())

    def find(self, name: str) -> Door:
        """The door of a function. Raises the `Fault` that says why there is none."""
        door = self._doors.get(name)
        if door is None:
            assert self._metrics is not None, "only consumers ask"
            entry = self._host.registry.find(name)
            pool = entry.source.pool
            places = pool.concurrency * (1 if entry.source.bounds_calls else pool.workers_max)
            meter = self._metrics.meter(name, "queue")
            door = self._doors[name] = Door(entry.target, entry.service, meter, lambda: places, pool.body_bytes_max)
        return door

    def failed(self, call: Call, fault: Fault) -> None:
        """Log a message that was given up."""
        fault.function = fault.function or call.target.name
        self._journal.failed(fault)

    def note(self, level: str, text: str) -> None:
        """Log what happened to a queue."""
        self._journal.note(level, text, "", 0)

    def _changed(self, entries: Mapping[str, Entry]) -> None:
        """Functions are others, or the project is."""
        self._doors.clear()
        if self._stopping:
            return
        queues = self._host.project.queues
        for name, reading in tuple(self._reading.items()):
            if queues.get(name) != reading.consumer.options:
                self._end(name)
        for name, options in queues.items():
            served = options.function in entries if options.function else bool(entries)
            if options.source and served and name not in self._reading and options not in self._failed:
                self._begin(options)
        for name, outlet in tuple(self._outlets.items()):
            if queues.get(name) != outlet.options:
                del self._outlets[name]
                closing = asyncio.ensure_future(outlet.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)

    def _begin(self, options: QueueOptions) -> None:
        try:
            broker = self._broker(options)
        except NotFound as fault:
            self._failed.add(options)
            self.note("error", fault.detail)
            return
        from dragoman.queues.consumer import Consumer  # noqa: PLC0415 - for hosts that have queues

        consumer = Consumer(options, broker, self._around())
        task = asyncio.ensure_future(consumer.run())
        reading = self._reading[options.name] = Reading(consumer, task)
        task.add_done_callback(lambda _: self._ended(options.name, reading))

    def _end(self, name: str) -> None:
        reading = self._reading.pop(name)
        self._ending.add(reading)
        reading.consumer.stop()

    def _ended(self, name: str, reading: Reading) -> None:
        self._ending.discard(reading)
        if reading.task.cancelled() or (error := reading.task.exception()) is None:
            return
        self.note("error", f"queue {name} has stopped: {type(error).__name__}: {error}")
        if self._reading.get(name) is reading:
            del self._reading[name]

    def _around(self) -> Surroundings:
        around, naming = self._host.world.surroundings, self._naming
        return Surroundings(
            naming.service,
            naming.prefix,
            naming.next_id,
            around.clock,
            around.call_later,
            around.random,
            self._tracer,
            self,
            self.find,
            self._tasks,
        )

    def _broker(self, options: QueueOptions, *, reading: bool = True) -> Broker:
        """What speaks with a queue's broker. Raises `NotFound` where that is not installed."""
        made = options if reading else outward(options)
        gone = has_left if options.kind == "redis" else None
        return broker_for(made, consumer_name(), self._host.world.surroundings.clock, gone)


def consumer_name() -> str:
    """A name that no other consumer has, and by which others on this machine can tell whether it lives."""
    here = place()
    return "/".join((socket.gethostname(), str(here.pid), repr(here.born_at), here.boot, here.space, token_hex(4)))


def has_left(consumer: str) -> bool:
    """Whether the host that a consumer is named for is gone for certain."""
    parts = consumer.split("/")
    try:
        _, pid, born_at, boot, space, _ = parts
        return has_gone(Place(int(pid), float(born_at), boot, space))
    except ValueError:  # somebody else's name
        return False


def outward(options: QueueOptions) -> QueueOptions:
    """A queue as one that is only written to."""
    return replace(options, source="", function="", dead="", faults="")


async def ended(readings: Iterable[Reading], within_s: float | None) -> None:
    """Wait for consumers to end."""
    if tasks := [reading.task for reading in readings]:
        await asyncio.wait(tasks, timeout=within_s)
