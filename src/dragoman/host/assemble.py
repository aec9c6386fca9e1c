"""The composition root: the only place that names concrete parts and puts them together."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from dragoman.building.builder import Builder, BuildOptions
from dragoman.config.environment import build_environment, build_flags, cache_places, worker_environment
from dragoman.config.sources import processors
from dragoman.core.clock import SystemClock
from dragoman.host.host import Furniture, Host, Outfit
from dragoman.host.launching import BuildTelling
from dragoman.host.version import VERSION
from dragoman.ingress.listener import Naming
from dragoman.sandbox.spawning import SpawnerConfinement
from dragoman.telemetry.trace import Tracer
from dragoman.wire.frame import META_BYTES_MAX
from dragoman.wire.handshake import FEATURE_INPUT, FEATURE_SEGMENTS, SPOKEN, Hello, Limits
from dragoman.workers.runtimes import command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.config.project import Project, Source
    from dragoman.core.clock import Clock
    from dragoman.host.journal import Journal

FRAME_BYTES_LEAST = 1024 * 1024
"""Room for manifests, faults and events where bodies are set to be small."""


BUILD_JOBS_MAX = 4
"""Builds at a time: each compiler uses every processor by itself, and a gigabyte of memory."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What one host is made with; everything in it may be replaced by a test.

    `versions` is the lowest and the highest version of the wire that it offers its workers. `runs_tasks` says whether
    it runs what is in the store of tasks, or only puts more there.
    """

    project: Project
    journal: Callable[[str], Journal]
    confinement: SpawnerConfinement
    clock: Clock
    call_prefix: str
    next_id: Callable[[], int]
    tracer: Tracer
    debug: bool = False
    versions: tuple[int, int] = SPOKEN
    runs_tasks: bool = True


def launch_confinement() -> SpawnerConfinement:
    """Start the spawner, as early as possible: its start then overlaps with everything else."""
    return SpawnerConfinement.launch(preload=(command.PRELOAD,))


def parts(
    project: Project,
    journal: Callable[[str], Journal],
    confinement: SpawnerConfinement | None = None,
    *,
    debug: bool = False,
    runs_tasks: bool = True,
) -> Parts:
    """The real parts. `journal` is made for the prefix of this host's call ids."""
    return Parts(
        project,
        journal,
        confinement or launch_confinement(),
        SystemClock(),
        # 32 random bits and a counter: unique among the hosts of a fleet for as long as logs are kept.
        secrets.token_hex(4),
        count(1).__next__,
        Tracer(os.urandom),
        debug,
        runs_tasks=runs_tasks,
    )


def host(with_parts: Parts) -> Host:
    """A host, not yet started."""

    def hello(source: Source) -> Hello:
        largest = max(source.pool.body_bytes_max, source.output_bytes_max, FRAME_BYTES_LEAST)
        return Hello(
            f"dragoman/{VERSION}",
            with_parts.call_prefix,
            source.name,
            source.pool.concurrency,
            with_parts.debug,
            Limits(frame_bytes_max=largest + META_BYTES_MAX),
            with_parts.versions,
            features=(FEATURE_INPUT, FEATURE_SEGMENTS),
        )

    def environment(source: Source) -> Mapping[str, str]:
        return worker_environment(source.env)

    journal = with_parts.journal(with_parts.call_prefix)
    made = Host(
        with_parts.project,
        with_parts.confinement,
        with_parts.clock,
        journal,
        with_parts.next_id,
        Outfit(hello, environment, builder(with_parts, journal)),
    )
    made.furnish = lambda: furniture(made, with_parts, journal)
    return made


def furniture(made: Host, with_parts: Parts, journal: Journal) -> Furniture:
    """What a host has tasks and queues with."""
    from dragoman.host.delivering import Delivering  # noqa: PLC0415 - a fifth of a start, for hosts that have tasks
    from dragoman.host.queueing import Queueing  # noqa: PLC0415 - as above
    from dragoman.host.scheduling import Scheduling  # noqa: PLC0415 - as above
    from dragoman.host.tasking import Tasking  # noqa: PLC0415 - as above

    delivering = Delivering(made, journal)
    tasking = Tasking(made, journal, with_parts.tracer, delivering.admit, runs=with_parts.runs_tasks)
    scheduling = Scheduling(made, journal, tasking)
    tasking.companions += [delivering, scheduling]
    naming = Naming(with_parts.project.name, with_parts.call_prefix, with_parts.next_id)
    queueing = delivering.queues = Queueing(made, tasking.tasks, journal, with_parts.tracer, naming)
    return Furniture(tasking, scheduling, delivering, queueing)


def builder(with_parts: Parts, journal: Journal) -> Builder:
    """What builds sources."""
    env = build_environment()
    options = BuildOptions(env, build_flags(env), jobs=min(processors(), BUILD_JOBS_MAX))
    return Builder(
        with_parts.confinement,
        with_parts.clock,
        options,
        lambda code: cache_places(code.home, code.root),
        BuildTelling(journal),
    )
