"""A body that is still to be written: how large it will be, and what writes it to wherever it is to lie.

A large body is written once, into the memory in which it travels, and not first into memory of its own.
"""

from __future__ import annotations

from collections.abc import Callable


class Draft:
    """A body of known size. Writing it again gives the same."""

    __slots__ = ("_size", "_write")

    def __init__(self, size: int, write: Callable[[memoryview], object]) -> None:
        """`write` fills memory of exactly `size` bytes."""
        self._size = size
        self._write = write

    def __len__(self) -> int:
        return self._size

    def write(self, memory: memoryview) -> None:
        """Fill `memory`, which has the draft's size."""
        self._write(memory)

    def whole(self) -> memoryview:
        """The body in memory of its own, for whoever must have it there."""
        memory = memoryview(bytearray(self._size))
        self._write(memory)
        return memory.toreadonly()


def joined(parts: list[bytes]) -> Draft:
    """What came in many parts, to be put together where it is to lie. Nothing may be added to `parts` after that."""

    def write(memory: memoryview) -> None:
        at = 0
        for part in parts:
            end = at + len(part)
            memory[at:end] = part
            at = end

    return Draft(sum(map(len, parts)), write)


def whole(body: bytes | memoryview | Draft) -> bytes | memoryview:
    """A body as bytes, whether it was written before or not."""
    return body.whole() if isinstance(body, Draft) else body
