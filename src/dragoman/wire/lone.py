"""A frame that comes alone: one CALL or END that is all of what was read, told from its header by one lookup.

Who talks in turns, one call after the other, reads nothing else. Whatever is not quite that takes the decoder's way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.wire.frame import CODECS_OF, FIELDS, GUEST_BIT, HEADER_BYTES, META_BYTES_MAX, Frame, Kind, word

if TYPE_CHECKING:
    from collections.abc import Callable

_CALL = int(Kind.CALL)
_CALLS = {word(Kind.CALL, 0, codec): codec for codec in CODECS_OF[Kind.CALL] if codec & 0x0F}
_ENDS = {word(Kind.END, 0, codec): codec for codec in CODECS_OF[Kind.END] if codec}
"""The words of a frame without flags and with a body, and the codec byte of each."""
_unpack = FIELDS.unpack_from
# Skips the slower `__new__` that NamedTuple makes.
_new: Callable[[type[Frame], tuple[object, ...]], Frame] = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - typeshed leaves it generic


def lone_call(data: bytes, limit: int) -> Frame | None:
    """The CALL of a host that `data` is, without meta or flags and of at most `limit` bytes; `None` if it is not."""
    size = len(data) - HEADER_BYTES
    if not 0 <= size <= limit:
        return None
    length, bits, function, entries, call, amount, _ = _unpack(data)
    codec = _CALLS.get(bits)
    if codec is None or length != size or entries or not 0 < call < GUEST_BIT:
        return None
    return _new(Frame, (_CALL, 0, codec, function, call, amount, b"", data[HEADER_BYTES:]))


def lone_named_call(data: bytes, limit: int) -> Frame | None:
    """As `lone_call`, for a CALL to a host: with meta, of which only the size is looked at."""
    size = len(data) - HEADER_BYTES
    if not 0 <= size <= limit:
        return None
    length, bits, function, entries, call, amount, _ = _unpack(data)
    codec = _CALLS.get(bits)
    if codec is None or length != size or not 0 < entries <= size or entries > META_BYTES_MAX:
        return None
    start = HEADER_BYTES + entries
    return _new(Frame, (_CALL, 0, codec, function, call, amount, data[HEADER_BYTES:start], data[start:]))


def lone_end(call: int, data: bytes, limit: int) -> tuple[int, int, bytes] | None:
    """The END of a call that `data` is, as codec byte, amount and body; `None` where it is anything else."""
    size = len(data) - HEADER_BYTES
    if not 0 <= size <= limit:
        return None
    length, bits, _, entries, found, amount, _ = _unpack(data)
    codec = _ENDS.get(bits)
    if codec is None or found != call or length != size or entries:
        return None
    return codec, amount, data[HEADER_BYTES:]
