"""The start of a Python worker: adopt the wire, greet the host, import the user's source, serve it."""

from __future__ import annotations

import gc
import mmap
import os
import sys
from _socket import socket  # the `socket` module takes 5 ms of a start, and adds nothing that is used here
from typing import TYPE_CHECKING

from dragoman.contract.late import own_path
from dragoman.contract.manifest import to_wire
from dragoman.core.fault import StartFailed
from dragoman.guest.arenas import Arenas
from dragoman.guest.forks import ForkGuard
from dragoman.guest.line import Line
from dragoman.guest.loader import LoadFailed, load
from dragoman.guest.output import Output
from dragoman.wire.handshake import FEATURE_CHECKS, FEATURE_PROGRESS, FEATURE_REVOKE, FEATURE_SEGMENTS, Ready

if TYPE_CHECKING:
    from dragoman.guest.loader import Source

WIRE_FD, PROGRESS_FD, SOURCE = "DRAGOMAN_WIRE_FD", "DRAGOMAN_PROGRESS_FD", "DRAGOMAN_SOURCE"
WIRE_FD_LEAST = 200
"""The wire moves up here, out of the way of user code that closes and reuses low descriptors."""
PAGE_BYTES = 4096
_EX_USAGE = 64


def main() -> None:
    """Serve the source that the environment names, until the host says DRAIN or closes the wire."""
    try:
        line = Line(adopt(int(os.environ.pop(WIRE_FD))), Arenas.adopt(os.environ))
        source = os.environ.pop(SOURCE)
    except (KeyError, ValueError, OSError) as error:
        sys.stderr.write(f"dragoman.guest is started by a host, with {WIRE_FD} and {SOURCE} set: {error!r}\n")
        sys.exit(_EX_USAGE)
    os.environ.pop("DRAGOMAN_SOURCE_NAME", None)
    page = page_of(os.environ.pop(PROGRESS_FD, ""))
    output = Output()
    guard = ForkGuard(line.sock.fileno(), line.abandon, output.detach)
    while line.connection.said_hello is None:
        line.receive(line.read())
    output.attach(line.report, line.lock)
    output.install()
    loaded = load_or_leave(line, source)
    try:
        ready = line.connection.ready(ready_of(loaded, features_of(line, loaded, page)))
    except ValueError as error:
        line.refuse(StartFailed(str(error)))
    if line.connection.segments:
        line.segment_from = line.connection.limits.segment_from_bytes
    gc.collect()
    gc.freeze()
    with line.lock:
        line.put(ready)
        line.flush()
    serve(line, loaded, output, guard, page)
    output.detach()
    line.sock.close()


def features_of(line: Line, loaded: Source, page: memoryview | None) -> tuple[str, ...]:
    """What this worker offers beside its functions."""
    features = [FEATURE_CHECKS, FEATURE_REVOKE]
    if page is not None and not loaded.is_async:
        features.append(FEATURE_PROGRESS)
    if line.arenas is not None:
        features.append(FEATURE_SEGMENTS)
    return tuple(features)


def serve(line: Line, loaded: Source, output: Output, guard: ForkGuard, page: memoryview | None) -> None:
    """Run calls until the host says DRAIN."""
    if loaded.is_async:
        with own_path():
            from dragoman.guest.async_server import AsyncServer  # noqa: PLC0415 - asyncio takes half of a start's time

        AsyncServer(line, loaded.bindings, output, guard).run()
    else:
        with own_path():
            from dragoman.guest.sync_server import SyncServer  # noqa: PLC0415 - an async source does without

        SyncServer(line, loaded.bindings, output, guard, page).run()


def adopt(fd: int) -> socket:
    """The wire, out of the reach of the children of user code."""
    import fcntl  # noqa: PLC0415 - where there is no fcntl there is no worker, and the error above says so

    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, WIRE_FD_LEAST)
    except OSError:
        # So many files may not be open here: it stays as near to where user code opens its own as it must.
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, fd + 1)
    os.close(fd)
    return socket(fileno=moved)


def page_of(fd: str) -> memoryview | None:
    """The progress page as 64-bit words, if the host shares one."""
    if not fd:
        return None
    try:
        page = memoryview(mmap.mmap(int(fd), PAGE_BYTES)).cast("Q")
        os.close(int(fd))
    except (ValueError, OSError):
        return None
    return page


def load_or_leave(line: Line, source: str) -> Source:
    """Import the source; where it cannot be served, say why and end."""
    said = line.connection.said_hello
    try:
        return load(source, said.source if said is not None else "")
    except LoadFailed as error:
        with line.lock:
            line.put(line.connection.fault(0, StartFailed(str(error), traceback=error.traceback)))
            line.flush()
        # Plainly, without the exit handlers and threads of a source that is not fit to run.
        os._exit(1)


def ready_of(loaded: Source, features: tuple[str, ...]) -> Ready:
    """READY of a worker of this source."""
    return Ready(
        "python",
        ".".join(map(str, sys.version_info[:3])),
        "dragoman",
        features,
        tuple(to_wire(binding.contract for binding in loaded.bindings)),
    )
