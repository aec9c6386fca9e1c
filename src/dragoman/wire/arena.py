"""One arena of shared memory as a process has it mapped: bodies are copied in, and read where they lie.

Memory, not I/O: the descriptor is somebody else's. Each side maps the whole arena once, so that its pages stay warm
from one body to the next: a first touch of each costs three times what the copy does. The side that reads maps it
read-only, and sees when the last reference to a region ends, however it was handed on.
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


class Outgoing:
    """The arena that this side writes. Of its regions the connection knows which are lent."""

    __slots__ = ("_fd", "_memory", "_used", "size")

    def __init__(self, fd: int) -> None:
        """`fd` stays the caller's, and open for as long as this is used."""
        self._fd = fd
        self.size = os.fstat(fd).st_size
        self._memory: mmap.mmap | None = None
        self._used = False

    def write(self, offset: int, body: bytes | memoryview | Draft) -> None:
        """Copy a body in, or have it written there. Raises `OSError` or `ValueError` where there is no such memory."""
        if self._memory is None:
            self._memory = mmap.mmap(self._fd, self.size)
        self._used = True
        if isinstance(body, Draft):
            with memoryview(self._memory) as memory, memory[offset : offset + len(body)] as region:
                body.write(region)
        else:
            self._memory[offset : offset + len(body)] = body

    def trim(self) -> None:
        """Give all its memory back to the system; nothing of it may be lent."""
        if self._memory is not None and self._used:
            self._used = False
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

    __slots__ = ("_fd", "_freed", "_held", "_keep", "_memory", "size")

    def __init__(self, fd: int, freed: Callable[[int], object], keep: Callable[[memoryview], memoryview]) -> None:
        """`fd` stays the caller's, and open for as long as this is used.

        `keep` gives the same bytes as a view that holds on to the one it is given for as long as there is a part of it:
        a view's own parts do not, they hold on to what is below it.
        """
        self._fd = fd
        self.size = os.fstat(fd).st_size
        self._freed = freed
        self._keep = keep
        self._held: dict[int, weakref.ref[memoryview]] = {}
        self._memory: mmap.mmap | None = None

    def view(self, region: Region) -> memoryview:
        """The bytes of a region, read-only, without a copy. Raises `OSError` where the arena cannot be mapped."""
        if self._memory is None:
            self._memory = mmap.mmap(self._fd, self.size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        offset, size = region
        part = memoryview(self._memory)[offset : offset + size]
        held, freed = self._held, self._freed

        def gone(_: weakref.ref[memoryview]) -> None:
            del held[offset]
            freed(offset)

        held[offset] = weakref.ref(part, gone)
        return self._keep(part)

    def close(self) -> None:
        """Let go of the memory; it ends with the last reference to what was given out of it."""
        self._memory = None
