"""Frames: a fixed 32-byte little-endian header, then `meta`, then `body`.

    offset  size  field
    0       u32   length     bytes after the header: meta and body together
    4       u8    version    1
    5       u8    kind       `Kind`
    6       u8    flags      `Flag`
    7       u8    codec      low nibble: of this body; high nibble (CALL): wanted for the reply, 0 = the same
    8       u32   function   index in READY's manifest (CALL from the host); 0 elsewhere
    12      u32   meta       bytes of `length` that are meta
    16      u64   call       call id; 0 for frames about the connection
    24      u32   amount     CALL: milliseconds left, 0 = no deadline; CREDIT: bytes granted;
                             END, FAULT: microseconds that the function ran
    28      u32   checksum   CRC-32 of meta and body where `Flag.CHECKSUM` is set, else 0

Meta is a run of entries (u8 tag, u16 size, value); most frames have none. Nothing here is parsed twice, and a frame
without meta costs one `unpack_from`, one dictionary lookup and one slice: version, kind, flags and codec are read as
one 32-bit word, and every legal word is a key of a small table, so that one lookup checks all four.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import NamedTuple
from zlib import crc32

from dragoman.core.call import Codec

VERSION = 1
HEADER = struct.Struct("<IBBBBIIQII")
HEADER_BYTES = HEADER.size
FRAME_BYTES_MAX = 64 * 1024 * 1024
"""A frame past this is refused from its header alone: larger than any configured body, small enough to hold."""
META_BYTES_MAX = 8 * 1024
"""Holds every entry of this version at its largest (about 1 KiB) with room for those of later ones."""
HELLO_BYTES_MAX = 1024 * 1024
READY_BYTES_MAX = 16 * 1024 * 1024
"""A manifest of thousands of functions with their schemas fits; a larger one is a mistake."""
REPORT_BYTES_MAX = 1024 * 1024
"""FAULT and EVENT: text for people (a traceback, a log line), which senders cut well below this."""
PING_BYTES_MAX = 64
"""An echo needs a number or a time, no more."""
RELEASE_BYTES = 8
"""The offset of a region."""
REGION_BYTES = 16
"""The offset and the size of a region, in place of a body that lies in shared memory."""

GUEST_BIT = 1 << 63
"""Set in the ids of calls that a guest makes."""

FIELDS = struct.Struct("<IIIIQII")
"""The header with version, kind, flags and codec as one word."""


class Kind(IntEnum):
    """What a frame says."""

    HELLO = 1
    READY = 2
    CALL = 3
    ITEM = 4
    END = 5
    FAULT = 6
    CANCEL = 7
    CREDIT = 8
    EVENT = 9
    PING = 10
    PONG = 11
    DRAIN = 12
    BYE = 13
    RELEASE = 14


class Flag(IntFlag):
    """Bits of the header's `flags`."""

    CHECKSUM = 1
    SEGMENT = 2
    STREAM = 4
    UNSTARTED = 8
    INPUT = 16


CORRUPT = 0x100
"""Set by the decoder beside a frame's flags, outside their 8 bits, where its checksum did not match; never sent."""


class Meta(IntEnum):
    """Tags of meta entries."""

    TRACE = 1
    TRACE_STATE = 2
    CALL_ID = 3
    FUNCTION = 4
    DEPTH = 5
    MERGED = 7
    PRIORITY = 8
    IDEMPOTENCY_KEY = 9


class Frame(NamedTuple):
    """One frame. The numbers are plain integers, as they travel; `codec` is the header's byte with both nibbles."""

    kind: int
    flags: int = 0
    codec: int = 0
    function: int = 0
    call: int = 0
    amount: int = 0
    meta: bytes = b""
    body: bytes = b""

    @property
    def body_codec(self) -> Codec:
        """How the body is encoded."""
        return Codec(self.codec & 0x0F)

    @property
    def reply_codec(self) -> Codec:
        """How the caller (CALL) wants the reply encoded."""
        return Codec(self.codec >> 4 or self.codec & 0x0F)


FLAGS_OF: dict[int, int] = {
    **dict.fromkeys(Kind, int(Flag.CHECKSUM)),
    Kind.CALL: int(Flag.CHECKSUM | Flag.SEGMENT | Flag.STREAM | Flag.INPUT),
    **dict.fromkeys((Kind.ITEM, Kind.END), int(Flag.CHECKSUM | Flag.SEGMENT)),
    Kind.FAULT: int(Flag.CHECKSUM | Flag.UNSTARTED),
    Kind.CANCEL: int(Flag.CHECKSUM | Flag.UNSTARTED),
}
"""The flags that each kind may carry; plain integers, since `~` of an `IntFlag` forgets the bits it does not know."""

_BODIES = tuple(int(codec) for codec in Codec)
CODECS_OF: dict[int, tuple[int, ...]] = {
    **dict.fromkeys(Kind, (int(Codec.NONE),)),
    **dict.fromkeys((Kind.HELLO, Kind.READY, Kind.FAULT, Kind.EVENT), (int(Codec.JSON),)),
    **dict.fromkeys((Kind.ITEM, Kind.END), _BODIES),
    Kind.CALL: tuple(body | reply << 4 for body in _BODIES for reply in _BODIES),
}
"""The codec bytes that each kind may carry."""

BODY_BYTES_MAX: dict[int, int] = {
    **dict.fromkeys(Kind, 0),
    **dict.fromkeys((Kind.CALL, Kind.ITEM, Kind.END), 0xFFFF_FFFF),
    **dict.fromkeys((Kind.FAULT, Kind.EVENT), REPORT_BYTES_MAX),
    **dict.fromkeys((Kind.PING, Kind.PONG), PING_BYTES_MAX),
    Kind.RELEASE: RELEASE_BYTES,
    Kind.HELLO: HELLO_BYTES_MAX,
    Kind.READY: READY_BYTES_MAX,
}
"""The body that each kind may carry at most, below the connection's own limit."""


def word(kind: int, flags: int = 0, codec: int = 0) -> int:
    """The header's second 32 bits: version, kind, flags and codec."""
    return VERSION | kind << 8 | flags << 16 | codec << 24


def header(frame: Frame) -> bytes:
    """Header and meta of a frame, so that a large body can be sent after it without a copy.

    Raises `struct.error` where a field does not fit.
    """
    kind, flags, codec, function, call, amount, meta, body = frame
    checksum = crc32(body, crc32(meta)) if flags & Flag.CHECKSUM else 0
    length = len(meta) + len(body)
    return FIELDS.pack(length, word(kind, flags, codec), function, len(meta), call, amount, checksum) + meta


def encode(frame: Frame) -> bytes:
    """A whole frame as it travels. The checksum is computed where `Flag.CHECKSUM` is set."""
    return header(frame) + frame.body
