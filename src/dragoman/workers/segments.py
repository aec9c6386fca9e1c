"""The two arenas of one worker on its host's side: sealed memory files, made before the worker is.

Both sizes are sealed, so that a worker cannot shrink the file under a mapping of its host's and kill it by SIGBUS.
Regions that were read are released by whoever last held them, in any thread; `freed` keeps their offsets until the
connection can say so.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
from collections import deque
from typing import TYPE_CHECKING, Any

from dragoman.contract.codecs.typed import kept
from dragoman.wire.arena import Incoming, Outgoing
from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.frame import Flag, Kind
from dragoman.wire.segment import region_of
from dragoman.wire.state import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.core.draft import Draft
    from dragoman.wire.connection import Connection
    from dragoman.wire.frame import Frame
    from dragoman.wire.segment import Region

ARENA_BODIES = 4
"""An arena holds so many of the largest bodies: one that is read, one that is written, and room where they lie apart.
It is address space; memory is used only where bodies have been."""
ARENA_BYTES_LEAST = 64 * 1024 * 1024
ARENA_BYTES_MAX = 2**31 - 4096
"""Java maps a file by signed 32-bit offsets. One body of the largest size still fits, and half of another."""
_ITEM, _SEGMENT = int(Kind.ITEM), int(Flag.SEGMENT)
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Segments:
    """The arenas of one worker. `fds` are the descriptors that it inherits, by their variables.

    Bodies from `least` bytes on travel in them.
    """

    def __init__(self, frame_bytes_max: int) -> None:
        """`frame_bytes_max` is the largest body. Raises `OSError`."""
        self.size = min(max(ARENA_BODIES * frame_bytes_max, ARENA_BYTES_LEAST), ARENA_BYTES_MAX)
        self.least: float = math.inf
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
        self._incoming = Incoming(outward, self._note, kept)

    def place(self, connection: Connection, body: bytes | memoryview | Draft) -> Region | None:
        """Copy a large body into the arena; `None` for another, and where there is no room. Lend the region next."""
        if not self.least <= len(body) <= connection.limits.frame_bytes_max:
            return None
        region = connection.room(len(body))
        if region is not None:
            self._outgoing.write(region.offset, body)
        return region

    def item(
        self, connection: Connection, call: int, codec: int, body: bytes | memoryview
    ) -> tuple[bytes, bytes | memoryview]:
        """An ITEM as header and body: a large one is copied into the arena. Look at the credit first.

        Raises `Oversized`, `IllegalTransition`.
        """
        region = self.place(connection, body)
        if region is not None:
            return connection.lend_item(call, codec, region), b""
        return connection.item_header(call, codec, len(body)), body

    def end(
        self, connection: Connection, call: int, codec: int, body: bytes | memoryview, amount: int
    ) -> tuple[bytes, bytes | memoryview]:
        """An END as header and body; as `item`."""
        region = self.place(connection, body)
        if region is not None:
            return connection.lend_end(call, codec, region, amount), b""
        return connection.end_header(call, codec, len(body), amount), body

    def view(self, region: Region) -> memoryview:
        """The bytes of a region that the worker lent. Raises `OSError`."""
        return self._incoming.view(region)

    def mapped(self, frames: list[Frame]) -> list[Frame]:
        """The same frames, those in shared memory with their bodies as they lie there. Raises `ProtocolFault`."""
        try:
            return [self._mapped(frame) if frame.flags & _SEGMENT else frame for frame in frames]
        except OSError as error:
            raise ProtocolFault(Reason.SEGMENT, f"a region cannot be mapped: {error}") from None

    def _mapped(self, frame: Frame) -> Frame:
        body: Any = self._incoming.view(region_of(frame.body))
        # Items are joined with others, and bounded by their credit.
        return frame._replace(flags=frame.flags & ~_SEGMENT, body=bytes(body) if frame.kind == _ITEM else body)

    def release(self, connection: Connection) -> bytes:
        """RELEASE of all regions that nobody reads any more."""
        freed = self.freed
        released: list[bytes] = []
        # The worker may have said its last frame: then nothing is to be given back.
        with contextlib.suppress(IllegalTransition):
            while freed:
                released.append(connection.release(freed.popleft()))
        return b"".join(released)

    def trim(self) -> None:
        """Give the memory back that bodies have used; only while none is lent."""
        self._outgoing.trim()

    def close(self) -> None:
        """Let go of the arenas; what user code still reads stays until it is done."""
        self._outgoing.close()
        self._incoming.close()
        _close(self.fds)
        self.fds = {}
        self.least = math.inf
        self.on_freed = _nothing

    def _note(self, offset: int) -> None:
        self.freed.append(offset)
        self.on_freed()


def _nothing() -> None: ...


def _close(fds: Mapping[str, int]) -> None:
    for fd in fds.values():
        os.close(fd)
