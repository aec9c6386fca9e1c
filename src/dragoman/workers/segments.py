"""The two arenas of one worker on its host's side: sealed memory files, made before the worker is.

Both sizes are sealed, so that a worker cannot shrink the file under a mapping of its host's and kill it by SIGBUS.
Regions that were read are released by whoever last held them, in any thread; `freed` keeps their offsets until the
connection can say so.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque
from typing import TYPE_CHECKING

from dragoman.wire.arena import Incoming, Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.core.draft import Draft
    from dragoman.wire.connection import Connection
    from dragoman.wire.segment import Region

ARENA_BODIES = 4
"""An arena holds so many of the largest bodies: one that is read, one that is written, and room where they lie apart.
It is address space; memory is used only where bodies have been."""
ARENA_BYTES_LEAST = 64 * 1024 * 1024
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Segments:
    """The arenas of one worker. `fds` are the descriptors that it inherits, by their variables."""

    def __init__(self, frame_bytes_max: int) -> None:
        """`frame_bytes_max` is the largest body. Raises `OSError`."""
        self.size = max(ARENA_BODIES * frame_bytes_max, ARENA_BYTES_LEAST)
        self.freed: deque[int] = deque()
        self.on_freed: Callable[[], object] = _nothing
        self.fds: Mapping[str, int] = {}
        fds: dict[str, int] = {}
        try:
            for name in ("DRAGOMAN_SEGMENT_IN_FD", "DRAGOMAN_SEGMENT_OUT_FD"):
                fd = fds[name] = os.memfd_create(name.lower(), os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
                os.ftruncate(fd, self.size)
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        except OSError:
            _close(fds)
            raise
        self.fds = fds
        inward, outward = fds.values()
        self._outgoing = Outgoing(inward)
        self._incoming = Incoming(outward, self._note)

    def place(self, connection: Connection, body: bytes | memoryview | Draft) -> Region | None:
        """Copy a body into the arena; `None` where it has no room. The region must be lent next."""
        region = connection.room(len(body))
        if region is not None:
            self._outgoing.write(region.offset, body)
        return region

    def view(self, region: Region) -> memoryview:
        """The bytes of a region that the worker lent. Raises `OSError`."""
        return self._incoming.view(region)

    def trim(self) -> None:
        """Give the memory back that bodies have used; only while none is lent."""
        self._outgoing.trim()

    def close(self) -> None:
        """Let go of the arenas; what user code still reads stays until it is done."""
        self._outgoing.close()
        _close(self.fds)
        self.fds = {}
        self.on_freed = _nothing

    def _note(self, offset: int) -> None:
        self.freed.append(offset)
        self.on_freed()


def _nothing() -> None: ...


def _close(fds: Mapping[str, int]) -> None:
    for fd in fds.values():
        os.close(fd)
