"""Regions of shared memory: where a body lies that did not travel in its frame, and who holds it.

Bookkeeping only, the memory itself is its owner's business. Of each arena both sides keep the same list: a region is
on it from the frame that lends it until its RELEASE.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from typing import NamedTuple

from dragoman.wire.fault import ProtocolFault, Reason

ALIGNMENT_BYTES = 64
"""Regions begin at a line of the processor's cache, which every vector instruction and Arrow are content with."""
PAGE_BYTES = 4096
_REGION = struct.Struct("<QQ")
_OFFSET = struct.Struct("<Q")


class Region(NamedTuple):
    """A part of an arena, in bytes."""

    offset: int
    size: int

    def pack(self) -> bytes:
        """The body of a frame with SEGMENT."""
        return _REGION.pack(self.offset, self.size)


def region_of(body: bytes) -> Region:
    """The region that the body of a frame with SEGMENT names."""
    return Region(*_REGION.unpack(body))


def offset_of(body: bytes) -> int:
    """The offset that the body of a RELEASE names."""
    return _OFFSET.unpack(body)[0]


def release_body(offset: int) -> bytes:
    """The body of a RELEASE."""
    return _OFFSET.pack(offset)


class Lending:
    """The regions of one arena that are lent. Invariant: they lie inside the arena and do not overlap."""

    __slots__ = ("_offsets", "_sizes", "arena_bytes")

    def __init__(self, arena_bytes: int) -> None:
        self.arena_bytes = arena_bytes
        self._offsets: list[int] = []
        self._sizes: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._offsets)

    def lend(self, region: Region, size_max: int) -> None:
        """Note a region as lent. Raises `ProtocolFault` where it is none, past `size_max` bytes, or lent already."""
        offset, size = region
        if offset % ALIGNMENT_BYTES or not 0 < size <= size_max or offset + size > self.arena_bytes:
            detail = (
                f"a region of {size} bytes at {offset}: it begins at a multiple of {ALIGNMENT_BYTES}, has 1 to"
                f" {size_max} bytes, and lies inside the arena of {self.arena_bytes}"
            )
            raise ProtocolFault(Reason.SEGMENT, detail)
        at = bisect_left(self._offsets, offset)
        below = self._offsets[at - 1] if at else -1
        if (at and below + self._sizes[below] > offset) or (
            at < len(self._offsets) and self._offsets[at] < offset + size
        ):
            raise ProtocolFault(Reason.SEGMENT, f"a region of {size} bytes at {offset} overlaps one that is lent")
        self._offsets.insert(at, offset)
        self._sizes[offset] = size

    def room(self, size: int) -> int | None:
        """Where a body of `size` bytes may lie, the lowest such offset; `None` where there is no room.

        Low offsets come first since their pages are warm. Regions begin at pages, so that each can be mapped by itself.
        """
        offset = 0
        for taken in self._offsets:
            if taken - offset >= size:
                break
            offset = -(-(taken + self._sizes[taken]) // PAGE_BYTES) * PAGE_BYTES
        return offset if offset + size <= self.arena_bytes else None

    def release(self, offset: int) -> int:
        """Note a region as free again; return its size. Raises `ProtocolFault` where none is lent there."""
        size = self._sizes.pop(offset, None)
        if size is None:
            raise ProtocolFault(Reason.SEGMENT, f"RELEASE of offset {offset}, where no region is lent")
        del self._offsets[bisect_left(self._offsets, offset)]
        return size
