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
without meta costs one `unpack_from` and one slice.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag

VERSION = 1
HEADER = struct.Struct("<IBBBBIIQII")
HEADER_BYTES = HEADER.size
FRAME_BYTES_MAX = 64 * 1024 * 1024
"""A frame past this is refused from its header alone: larger than any configured body, small enough to hold."""


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


class Flag(IntFlag):
    """Bits of the header's `flags`."""

    CHECKSUM = 1
    SEGMENT = 2
    STREAM = 4
    UNSTARTED = 8


class Meta(IntEnum):
    """Tags of meta entries."""

    TRACE = 1
    TRACE_STATE = 2
    CALL_ID = 3
    FUNCTION = 4
    DEPTH = 5
