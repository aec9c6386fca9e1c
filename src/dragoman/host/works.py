"""The functions of a host as tasks see them: what may be submitted, what can be run, and what there is room for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from dragoman.contract.encoded import strict
from dragoman.contract.fitting import fitted, in_reach
from dragoman.core.call import Reply
from dragoman.core.fault import Fault, InvalidArgument, Started, Unimplemented
from dragoman.core.service import Pending, settle
from dragoman.host.hosted import PooledSource
from dragoman.host.stacks import Site, plain_stack
from dragoman.policies.attempt import attempt
from dragoman.policies.size import body_size
from dragoman.tasks.state import Step
from dragoman.tasks.works import Job, Room
from dragoman.telemetry.trace import parse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from dragoman.config.project import Project
    from dragoman.core.call import Call, Codec
    from dragoman.core.service import Service
    from dragoman.core.target import Target
    from dragoman.host.journal import Journal
    from dragoman.host.registry import Entry, Registry
    from dragoman.host.world import World
    from dragoman.tasks.options import TaskOptions
    from dragoman.tasks.task import Task
    from dragoman.telemetry.trace import Tracer

NOTHING = Reply(b"")


class Hosting(Protocol):
    """A host, as its tasks see it."""

    registry: Registry
    world: World
    draining: bool

    @property
    def project(self) -> Project:
        """What is in force."""
        ...

    def call(self, target: Target, body: bytes | memoryview, codec: Codec, reply_codec: Codec) -> Call:
        """A call of a function, ready for its stack."""
        ...

    def serve(self, call: Call) -> Awaitable[Reply]:
        """Run a call by the stack that its function's name has now."""
        ...


def taken(_: Call) -> Pending:
    """What stands behind the checks of an input that is only stored."""
    pending = Pending()
    pending.resolve(NOTHING)
    return pending


class HostFunctions:
    """Functions that can be submitted. Their input is checked here even where their guest would do it later."""

    def __init__(self, host: Hosting) -> None:
        self._host = host
        self._checks: dict[str, tuple[Entry, Service]] = {}

    async def admit(self, call: Call) -> TaskOptions:
        """Aim a call at its function as it is now, and check its input.

        Raises the `Fault` of a function that is not there, or may not be submitted, and `InvalidArgument`.
        """
        entry = self._host.registry.find(call.target.name)
        name = entry.target.name
        options = entry.settings.task
        if not options.enabled:
            raise Unimplemented(f"{name} cannot be called as a task (task = false)", function=name)
        if call.input is not None:
            raise InvalidArgument(
                f"a task's input is stored whole: {entry.target.input_stream} of {name} cannot come as a stream",
                started=Started.NO,
                function=name,
            )
        call.target = entry.target
        if isinstance(call.body, bytes | memoryview):
            call.body, call.codec = fitted(call.body, call.codec, entry.target)
        call.reply_codec = in_reach(entry.target, call.reply_codec)
        fault = settle(self._check(name, entry)(call)).fault
        if fault is not None:
            raise fault
        return options

    def options(self, function: str) -> TaskOptions:
        """What is settled of the tasks of a function. Raises the `Fault` of one that is not there."""
        return self._host.registry.find(function).settings.task

    def forget(self, entries: Mapping[str, Entry]) -> None:
        """These are the functions now: let go of what is known of others."""
        self._checks = {name: known for name, known in self._checks.items() if entries.get(name) is known[0]}

    def _check(self, name: str, entry: Entry) -> Service:
        known = self._checks.get(name)
        if known is None or known[0] is not entry:
            contract = replace(entry.contract, input=strict(entry.contract.input))
            site = Site(entry.source, contract, entry.target, checks=False, as_json=entry.hosted.as_json)
            checked = plain_stack(taken, site, self._host.world.surroundings)
            # The wire bounds the input of a call itself, and a task's goes there only once it is stored.
            known = self._checks[name] = (entry, body_size(entry.source.pool.body_bytes_max)(checked))
        return known[1]


class HostWorks:
    """Where tasks are run: the stacks and pools of one host."""

    def __init__(self, host: Hosting, journal: Journal, tracer: Tracer) -> None:
        self._host = host
        self._journal = journal
        self._tracer = tracer
        self._jobs: tuple[int, dict[str, Job]] = (-1, {})

    def jobs(self) -> Mapping[str, Job]:
        """What can be run, by full name."""
        registry = self._host.registry
        version, jobs = self._jobs
        if version != registry.version:
            jobs = {name: Job(entry.source.name, entry.settings.task) for name, entry in registry.entries.items()}
            self._jobs = (registry.version, jobs)
        return jobs

    def room(self, group: str) -> Room:
        """What a source has room for now."""
        hosted = self._host.registry.sources.get(group)
        if hosted is None:
            return Room(0)
        if not isinstance(hosted, PooledSource):
            # What it does beside tasks is not known here; it has a line of its own for what is too much.
            return Room(hosted.source.pool.concurrency)
        pool = hosted.pool
        places = pool.options.workers_max * pool.options.concurrency
        lent = sum(1 for lease in pool.leases if lease.lock.locked())
        return Room(places, pool.in_flight + lent, len(pool.line), pool.offered)

    def offered(self) -> int:
        """The calls that came so far to all pools, those aside that functions have made."""
        sources = self._host.registry.sources.values()
        return sum(hosted.pool.offered for hosted in sources if isinstance(hosted, PooledSource))

    def call(self, task: Task) -> Call:
        """One more call of a task's function. Raises the `Fault` of one that is not there."""
        submission = task.submission
        target = self._host.registry.find(submission.function).target
        body, codec = fitted(submission.body, submission.codec, target)
        call = self._host.call(target, body, codec, in_reach(target, submission.reply_codec))
        parent = parse(submission.trace) if submission.trace else None
        call.trace = None if parent is None else self._tracer.child(parent)
        return call

    def run(self, call: Call) -> Pending:
        """Run a call through its function's stack."""
        return attempt(self._host.serve, call)

    def failed(self, task: Task, fault: Fault, step: Step) -> None:
        """An attempt has failed, and this comes of it."""
        if step is not Step.RELEASE:
            fault.trace_id = fault.trace_id or task.submission.trace[3:35]
            self._journal.failed(fault)

    def trouble(self, message: str) -> None:
        """Something is wrong with the store, or was and is over."""
        self._journal.note("warning", message, "", 0)
