"""The items of an input stream: JSON Lines on standard input, each read when the call wants it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dragoman.cli.outcome import Stop
from dragoman.contract import codec
from dragoman.core.call import Codec

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_BYTES_MAX = 64 * 1024 * 1024
"""What one frame of the wire holds, unless a host is told otherwise: a longer line could go nowhere."""
READ_BYTES = 64 * 1024


def items(descriptor: int = 0) -> Iterator[Any]:
    """The value of each line that is not empty. Raises `Stop` for one that is no JSON, with its number."""
    # Not by `sys.stdin`: a thread that waits in there when the call is over would hold its lock while Python ends.
    for number, line in enumerate(_lines(descriptor), 1):
        if not line.strip():
            continue
        try:
            value = codec.decode(line, Codec.JSON)
        except ValueError as error:
            raise Stop(f"line {number} of standard input is {str(error)[:500]}; give one JSON value a line") from None
        yield value


def _lines(descriptor: int) -> Iterator[bytes]:
    rest = bytearray()
    while data := os.read(descriptor, READ_BYTES):
        first, *others = data.split(b"\n")
        rest += first
        for other in others:
            yield bytes(rest)
            rest = bytearray(other)
        if len(rest) > LINE_BYTES_MAX:
            raise Stop(f"a line of standard input is longer than {LINE_BYTES_MAX} bytes")
    if rest:
        yield bytes(rest)
