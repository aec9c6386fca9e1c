"""Running a host as a program does: the loop that it runs on, and a server from its first source to the last signal.

The modules of the HTTP server are imported in a thread while the workers start: each costs about 50 ms, and they need
different processors.
"""

from __future__ import annotations

import asyncio
import os
import signal
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
    from dragoman.host.difference import Difference
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

    def applied(self, file: Path, told: Difference) -> None:
        """The project file was read again and is in force, as far as that takes no restart."""
        ...

    def refused(self, file: Path | None, wrong: str) -> None:
        """The project file was to be put in force and could not be: why. What was in force still is."""
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
    hang_up: HangUp | None = None
    try:
        await asyncio.to_thread(_import, ingresses)
        from dragoman.host.serving import START_S, Serving, until_told  # noqa: PLC0415 - see the module's docstring

        serving = Serving(parts, ingresses, log, VERSION)
        serving.audience = audience
        hang_up = HangUp(serving)
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
        if hang_up is not None:
            hang_up.close()
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
    for each in ("serving", "operating", "delivering", "queueing", "scheduling", "tasking"):
        import_module(f"dragoman.host.{each}")
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

    def reloaded(source: str, fault: Fault | None) -> None:
        audience.reloaded(serving, source, fault)

    watcher = asyncio.ensure_future(watch(serving.host, reloaded, serving.try_to_apply, serving.renewed))
    await asyncio.wait((stopping, watcher), return_when=asyncio.FIRST_COMPLETED)
    if watcher.done() and isinstance(error := watcher.exception(), OSError):
        audience.unwatched(error)
    await stopping
    watcher.cancel()


class HangUp:
    """SIGHUP: the project file is read again. Where a terminal hung up, on which this ran, it is as good as SIGTERM."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        # One that was started by `nohup` is to outlive its terminal.
        self._terminal = has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        self._applying: set[asyncio.Future[None]] = set()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._received)

    def _received(self) -> None:
        if self._terminal and not has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
            return
        applying = asyncio.ensure_future(self._serving.try_to_apply())
        self._applying.add(applying)
        applying.add_done_callback(self._applying.discard)

    def close(self) -> None:
        """A later one is as it was before."""
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        for applying in self._applying:
            applying.cancel()


def has_terminal() -> bool:
    """Whether this process has a terminal that it could be told from."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
