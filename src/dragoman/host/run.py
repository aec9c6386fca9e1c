"""Running a host as a program does: the loop that it runs on, and a server from its first source to the last signal.

The modules of the HTTP server are imported in a thread while the workers start: each costs about 50 ms, and they need
different processors.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dragoman.host.assemble import host as assemble_host
from dragoman.host.host import PATIENCE_S
from dragoman.host.private import leave
from dragoman.host.version import VERSION
from dragoman.sandbox.prctl import hide_memory

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from dragoman.core.fault import Fault
    from dragoman.host.assemble import Parts
    from dragoman.host.serving import Ingresses, Serving
    from dragoman.telemetry.log import Log

Result = TypeVar("Result")


class Audience(Protocol):
    """Whoever is told how a server does."""

    def ready(self, serving: Serving) -> None:
        """It takes calls now."""
        ...

    def reloaded(self, serving: Serving, source: str, fault: Fault | None) -> None:
        """A source has changed on disk: it was put in service, or the old one stays because of a fault."""
        ...

    def outdated(self, file: Path, wrong: str) -> None:
        """The project file has changed, which only a restart puts in force, and what is wrong with it, if anything."""
        ...

    def unwatched(self, error: OSError) -> None:
        """Changes on disk cannot be watched."""
        ...


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to its end, on a loop of its own: uvloop's where there is one. Ctrl-C cancels it."""
    try:
        import uvloop  # noqa: PLC0415 - missing on some systems
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


async def serve(
    parts: Parts,
    ingresses: Ingresses,
    log: Log,
    audience: Audience,
    *,
    watching: bool = False,
    with_stdin: bool = False,
) -> None:
    """Serve until a signal says stop, then answer what is in flight, and end. Another signal ends the process at once.

    With `with_stdin`, the end of standard input is such a signal too: a program has opened this project for itself, and
    no door opens before the builds have ended.

    Raises:
        OSError: A port, a socket, or the TLS files, cannot be had.
    """
    hide_memory()  # where its environment, keys and callers' data stand: workers run as the same user
    host = assemble_host(parts)
    starting = asyncio.ensure_future(host.start(PATIENCE_S if with_stdin else None))
    serving: Serving | None = None
    try:
        await asyncio.to_thread(_import, ingresses)
        from dragoman.host.serving import START_S, Serving, until_told  # noqa: PLC0415 - see the module's docstring

        serving = Serving(parts, ingresses, log, VERSION)
        stopping = asyncio.ensure_future(until_told(lambda: abandon(parts, serving), with_stdin=with_stdin))
        opening = asyncio.ensure_future(serving.start((host, starting), None if with_stdin else START_S))
        await asyncio.wait((stopping, opening), return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
            audience.ready(serving)
            await _until(stopping, serving, audience if watching else None)
            await serving.stop()
        opening.cancel()
    finally:
        if serving is not None:
            serving.leave()
        if with_stdin:
            leave(ingresses.native.listen)
        starting.cancel()
        if not host.draining:
            await host.stop(0)


def abandon(parts: Parts, serving: Serving | None) -> None:
    """End everything at once, and leave no socket's file behind."""
    if serving is not None:
        serving.leave()
    parts.confinement.close()


def _import(ingresses: Ingresses) -> None:
    import_module("dragoman.host.serving")
    if ingresses.http.enabled:
        import_module("dragoman.host.web")
    if ingresses.native.listen:
        import_module("dragoman.host.native")


async def _until(stopping: asyncio.Future[int], serving: Serving, audience: Audience | None) -> None:
    """Wait for the signal; meanwhile reload what changes, where there is somebody to tell."""
    if audience is None:
        await stopping
        return
    from dragoman.host.watch import watch  # noqa: PLC0415 - its library is needed only here

    watcher = asyncio.ensure_future(
        watch(serving.host, lambda source, fault: audience.reloaded(serving, source, fault), audience.outdated)
    )
    await asyncio.wait((stopping, watcher), return_when=asyncio.FIRST_COMPLETED)
    if watcher.done() and isinstance(error := watcher.exception(), OSError):
        audience.unwatched(error)
    await stopping
    watcher.cancel()
