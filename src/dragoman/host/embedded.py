"""`dragoman.open`: a project hosted inside the caller's own process, no server needed.

Blocking callers get a loop in a thread of its own, and mostly do without it: their calls go straight to a worker
(`DirectService`). Async callers get the host on the loop they are on.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import uvloop

from dragoman.client.face import Name
from dragoman.config.load import load
from dragoman.contract import codec
from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Fault
from dragoman.core.service import settle
from dragoman.host.assemble import host as assemble_host
from dragoman.host.assemble import launch_confinement, parts
from dragoman.host.direct import DirectService
from dragoman.host.hosted import PooledSource
from dragoman.host.journal import SilentJournal

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from dragoman.core.call import Call
    from dragoman.core.service import Service
    from dragoman.host.host import Host
    from dragoman.host.registry import Entry

STOP_S = 5.0
"""How long closing waits for calls in flight of other threads."""


def open_project(*paths: str | Path) -> Opened:
    """Host a project, or single sources, in this process.

    Give a project's folder, its `dragoman.toml` or source files. Use the result in `with` or `async with`; without
    either, it starts at its first call and ends with the process. Raises `ConfigError` for a project that is not right.
    """
    return Opened(paths)


class Opened:
    """A project hosted in this process. `with` gives blocking calls, `async with` calls to await."""

    def __init__(self, paths: tuple[str | Path, ...]) -> None:
        self._confinement = launch_confinement()
        try:
            self._parts = parts(load(paths), lambda _: SilentJournal(), self._confinement)
        except BaseException:
            self._confinement.close()
            raise
        self._host: Host | None = None

    # Blocking
