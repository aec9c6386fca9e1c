"""One arena of shared memory as a process has it mapped: bodies are copied in, and read where they lie.

Memory, not I/O: the descriptor is somebody else's. The side that writes maps the whole arena once, so that its pages
stay warm from one body to the next (a first touch costs more than the copy). The side that reads maps each region by
itself, read-only: what was handed to user code then ends exactly when the last reference to it does, and nothing has
to be counted by hand.
"""

from __future__ import annotations

import mmap
import os
import weakref
from typing import TYPE_CHECKING

from dragoman.core.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.wire.segment import Region

PAGE_BYTES = mmap.ALLOCATIONGRANULARITY


class Outgoing:
    """The arena that this side writes. Of its regions the connection knows which are lent."""

    __slots__ = ("_fd", "_memory", "size")

    def __init__(self, fd: int) -> None:
        """`fd` stays the caller's, and open for as long as this is used."""
        self._fd = fd
        self.size = os.fstat(fd).st_size
        self._memory: mmap.mmap | None = None

    def write(self, offset: int, body: bytes | memoryview | Draft) -> None:
        """Copy a body in, or have it written there. Raises `OSError` or `ValueError` where there is no such memory."""
        if self._memory is None:
            self._memory = mmap.mmap(self._fd, self.size)
        if isinstance(body, Draft):
            with memoryview(self._memory) as memory, memory[offset : offset + len(body)] as region:
                body.write(region)
        else:
            self._memory[offset : offset + len(body)] = body

    def trim(self) -> None:
        """Give all its memory back to the system; nothing of it may be lent."""
        if self._memory is not None:
            self._memory.madvise(mmap.MADV_REMOVE)

    def close(self) -> None:
        """Let go of the memory; it is not written any more."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None


class Incoming:
    """The arena that the other side writes. Invariant: a region given out by `view` is `freed` exactly once.

    `freed` is told the offset once nothing refers to the region any more: by any thread, at any time, also in the
    middle of whatever the collector interrupts. It must do no more than note it.
    """

    __slots__ = ("_fd", "_freed", "_held", "size")

    def __init__(self, fd: int, freed: Callable[[int], object]) -> None:
        """`fd` stays the caller's, and open for as long as this is used."""
        self._fd = fd
        self.size = os.fstat(fd).st_size
        self._freed = freed
        self._held: dict[int, weakref.ref[mmap.mmap]] = {}

    def view(self, region: Region) -> memoryview:
        """The bytes of a region, read-only, without a copy. Raises `OSError` where it cannot be mapped."""
        offset, size = region
        below = offset % PAGE_BYTES
        memory = mmap.mmap(self._fd, below + size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, offset=offset - below)
        held, freed = self._held, self._freed

        def gone(_: weakref.ref[mmap.mmap]) -> None:
            del held[offset]
            freed(offset)

        held[offset] = weakref.ref(memory, gone)
        return memoryview(memory)[below:]
