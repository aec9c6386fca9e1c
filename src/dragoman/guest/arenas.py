"""The worker's end of the two arenas: large inputs are read where they lie, large results are copied in once."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from dragoman.contract.codecs.typed import kept
from dragoman.wire.arena import Incoming, Outgoing
from dragoman.wire.frame import Flag
from dragoman.wire.segment import region_of

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from dragoman.core.draft import Draft
    from dragoman.wire.connection import Connection
    from dragoman.wire.frame import Frame
    from dragoman.wire.segment import Region

IN_FD, OUT_FD = "DRAGOMAN_SEGMENT_IN_FD", "DRAGOMAN_SEGMENT_OUT_FD"
_SEGMENT = int(Flag.SEGMENT)


class Arenas:
    """Both arenas. `freed` are the offsets of regions that nothing refers to any more."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        """Raises `OSError`."""
        self.freed: deque[int] = deque()
        self._incoming = Incoming(read_fd, self.freed.append, kept)
        self._outgoing = Outgoing(write_fd)
        self.size = self._incoming.size

    @classmethod
    def adopt(cls, environment: MutableMapping[str, str]) -> Arenas | None:
        """The arenas that the environment names, out of the reach of children; `None` where the host shares none."""
        read, write = environment.pop(IN_FD, ""), environment.pop(OUT_FD, "")
        try:
            fds = int(read), int(write)
            for fd in fds:
                os.set_inheritable(fd, False)  # noqa: FBT003 - the standard library's signature
            return cls(*fds)
        except (ValueError, OSError):
            return None

    def mapped(self, frames: list[Frame]) -> list[Frame]:
        """The same frames, those in shared memory with their bodies as they lie there. Raises `OSError`."""
        view = self._incoming.view
        return [
            frame._replace(flags=frame.flags & ~_SEGMENT, body=view(region_of(frame.body)))
            if frame.flags & _SEGMENT
            else frame
            for frame in frames
        ]

    def trim(self) -> None:
        """Give the memory back that results have used; only while none of them is lent, and none is being written."""
        self._outgoing.trim()

    def place(self, connection: Connection, body: bytes | memoryview | Draft) -> Region | None:
        """Copy a body into the arena; `None` where it has no room. The region must be lent next."""
        region = connection.room(len(body))
        if region is not None:
            self._outgoing.write(region.offset, body)
        return region
