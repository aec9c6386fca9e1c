"""The project file, put in force while calls run: read again, and the difference taken over in one step.

A file that is wrong, or a source that cannot start as the file now has it, changes nothing at all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dragoman.config.load import load
from dragoman.core.fault import Draining, FailedPrecondition, Fault, Started, StartFailed
from dragoman.host.difference import difference

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.config.project import Project
    from dragoman.core.clock import Clock
    from dragoman.host.difference import Difference
    from dragoman.host.host import Host
    from dragoman.host.hosted import Hosted


class Applying:
    """Puts the project file of one host in force, as often as somebody asks for it; one time after the other."""

    def __init__(self, host: Host, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._turn = asyncio.Lock()
        self.first = host.project
        """What was in force when the host started."""
        self.applied_at: float | None = None
        """When something else came in force, in seconds since the epoch."""

    @property
    def file(self) -> Path | None:
        """The project file; None where sources were named by themselves."""
        return self._host.project.file

    async def __call__(self) -> Difference:
        """Read the file again and put it in force; what that changed.

        Raises `ConfigError` for a file that is wrong, a `Fault` where there is none, or where a source cannot start as
        it is written now. Nothing has changed then.
        """
        if self.file is None:
            detail = "this host serves sources without a project file: there is none to apply; restart it"
            raise FailedPrecondition(detail, started=Started.NO)
        async with self._turn:
            return await self.take(await asyncio.to_thread(load, [self.file]))

    async def take(self, project: Project) -> Difference:
        """Put a project in force. Raises as above."""
        host = self._host
        if host.draining:
            raise Draining("nothing is applied: the host is stopping")
        functions = [(name, entry.settings) for name, entry in host.registry.entries.items()]
        told = difference(host.project, project, functions)
        fresh = [host.prepare(project.sources[name]) for name in (*told.started, *told.reloaded)]
        kept = False
        try:
            await start(fresh)
            if host.draining:
                raise Draining("nothing is applied: the host is stopping")
            host.exchange(project, fresh, told.retired)
            kept = True
        finally:
            if not kept:
                await asyncio.gather(*(host.discard(hosted) for hosted in fresh))
        if not told.empty:
            self.applied_at = self._clock.now()
        return told


async def start(fresh: list[Hosted]) -> None:
    """Start sources side by side. Raises `StartFailed` with what is wrong where any of them cannot."""
    outcomes = await asyncio.gather(*(hosted.start() for hosted in fresh), return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    for error in failed:
        if not isinstance(error, Fault):
            raise error
    if failed:
        details = "; ".join(error.detail for error in failed if isinstance(error, Fault))
        raise StartFailed(f"nothing was changed: {details}")
