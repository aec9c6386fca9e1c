"""`python -m dragoman.guest.zygote`: a process that imports a source once, and forks workers that have it loaded.

To its host it is a worker that never takes a call: it greets, tells what the source offers or why it cannot start, and
reports what the import prints. Orders to fork come over a socket beside the wire. Everything runs in the main thread,
without an event loop: a fork copies no other thread, and a copied loop would meddle with the original's.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from dragoman.contract.late import own_path
from dragoman.core.fault import StartFailed
from dragoman.guest.arenas import IN_FD, OUT_FD, Arenas
from dragoman.guest.caps import Caps
from dragoman.guest.failure import describe
from dragoman.guest.fitness import descriptors, thread_count, why_unfit
from dragoman.guest.forks import ForkGuard, leave
from dragoman.guest.line import Line
from dragoman.guest.main import (
    PROGRESS_FD,
    SOURCE,
    WIRE_FD,
    adopt,
    features_of,
    load_or_leave,
    page_of,
    ready_of,
    serve,
)
from dragoman.guest.output import BACKGROUND, Output
from dragoman.sandbox import prctl
from dragoman.sandbox.forkserver import ForkServer
from dragoman.wire.frame import Kind
from dragoman.wire.handshake import FEATURE_CHECKS, Ready

if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Mapping

    from dragoman.guest.loader import Source

ORDERS_FD, PRELOAD, FORK_SAFE = "DRAGOMAN_ZYGOTE_FD", "DRAGOMAN_PRELOAD", "DRAGOMAN_FORK_SAFE"
_EX_USAGE = 64


def main() -> None:
    """Fork workers for the source that the environment names, until the host says DRAIN or hangs up."""
    try:
        line = Line(adopt(int(os.environ.pop(WIRE_FD))))
        orders = adopt(int(os.environ.pop(ORDERS_FD)))
        source = os.environ.pop(SOURCE)
    except (KeyError, ValueError, OSError) as error:
        sys.stderr.write(f"dragoman.guest.zygote is started by a host, with {ORDERS_FD} set: {error!r}\n")
        sys.exit(_EX_USAGE)
    for unused in (PROGRESS_FD, IN_FD, OUT_FD):
        if fd := os.environ.pop(unused, ""):
            os.close(int(fd))
    os.environ.pop("DRAGOMAN_SOURCE_NAME", None)
    preload = [name for name in os.environ.pop(PRELOAD, "").split(",") if name]
    fork_safe = bool(os.environ.pop(FORK_SAFE, ""))
    prctl.rename("dragoman-zygote")
    output = Output()
    while line.connection.said_hello is None:
        line.receive(line.read())
    output.attach(line.report, line.lock)
    output.install()
    loaded = _loaded(line, source, preload, fork_safe=fork_safe)
    output.settle(BACKGROUND)
    server = _open(line, orders, loaded, fork_safe=fork_safe)
    zygote = os.getpid()
    try:
        given = server.run()
        if given is not None:
            _serve_once(line, loaded, output, given)
    except BaseException as error:
        if os.getpid() == zygote:
            raise
        leave(error)
    with line.lock:
        line.put(line.connection.bye())
        line.flush()
    output.detach()


def _loaded(line: Line, source: str, preload: list[str], *, fork_safe: bool) -> Source:
    """Import everything under the caps. Ends the process, with the reason said, where that must not be forked."""
    before = descriptors()
    caps = Caps(os.environ)
    loaded = load_or_leave(line, source)
    for name in preload:
        try:
            __import__(name)
        except BaseException as error:  # noqa: BLE001 - an import runs user code, which may raise or exit in any way
            _refuse(line, f"preload: {name} cannot be imported: {describe(error)}")
    if not fork_safe and (reason := why_unfit(before, os.path.basename(source))):  # noqa: PTH119 - `pathlib` takes 5 ms
        _refuse(line, reason)
    caps.lift()
    return loaded


def _refuse(line: Line, reason: str) -> NoReturn:
    with line.lock:
        line.put(line.connection.fault(0, StartFailed(reason)))
        line.flush()
    os._exit(1)


def _open(line: Line, orders: socket, loaded: Source, *, fork_safe: bool) -> ForkServer:
    """Say READY; from then on orders come."""
    with own_path():  # here rather than in every child; asyncio takes long, and a sync source does without
        import_module("dragoman.guest.async_server" if loaded.is_async else "dragoman.guest.sync_server")
    import socket as sockets  # noqa: PLC0415 - what receives descriptors; the guest itself does without

    threads = thread_count()

    def unfit() -> str:
        grown = thread_count() - threads
        if grown <= 0 or fork_safe:
            return ""
        return f"{grown} threads appeared in the zygote since its import"

    def attend() -> bool:
        leaving = False
        for frame in line.receive(line.read()):
            if frame.kind == Kind.PING:
                with line.lock:
                    line.pong(frame.body)
                    line.flush()
            elif frame.kind in {Kind.FAULT, Kind.BYE}:
                line.lost()
            leaving = leaving or frame.kind == Kind.DRAIN
        return leaving

    try:
        ready = line.connection.ready(ready_of(loaded, (FEATURE_CHECKS,)))
    except ValueError as error:
        line.refuse(StartFailed(str(error)))
    server = ForkServer(sockets.socket(fileno=orders.detach()), (line.sock.fileno(), attend), unfit)
    gc.collect()
    gc.freeze()
    gc.disable()
    with line.lock:
        line.put(ready)
        line.flush()
    return server


def _serve_once(of_zygote: Line, loaded: Source, output: Output, given: Mapping[str, int]) -> NoReturn:
    """Serve as any worker does, in a child, and end it. Its manifest is the zygote's, and is not said again."""
    output.detach()
    of_zygote.sock.close()
    reseed()
    names = {name: str(fd) for name, fd in given.items()}
    line = Line(adopt(given[WIRE_FD]), Arenas.adopt(names))
    page = page_of(names.get(PROGRESS_FD, ""))
    guard = ForkGuard(line.sock.fileno(), line.abandon, output.detach)
    while line.connection.said_hello is None:
        line.receive(line.read())
    output.attach(line.report, line.lock)
    version = ".".join(map(str, sys.version_info[:3]))
    ready = line.connection.ready(Ready("python", version, "dragoman", features_of(line, loaded, page)))
    if line.connection.segments:
        line.segment_from = line.connection.limits.segment_from_bytes
    with line.lock:
        line.put(ready)
        line.flush()
    serve(line, loaded, output, guard, page)
    output.detach()
    leave(None)  # exit handlers are the zygote's, which registered them


def reseed() -> None:
    """Give numpy's global generator a state of its own; `random` and OpenSSL see to themselves."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


if __name__ == "__main__":
    main()
