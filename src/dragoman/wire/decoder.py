"""The incremental decoder: bytes in any pieces in, whole frames out.

A read that holds whole frames is parsed in place and costs one slice a frame. A frame that spans reads is kept as the
pieces that came and joined once: a body is copied once however it arrives, and memory follows the bytes received,
never a length that a header claims. Small pieces are gathered into larger ones, so that a peer that trickles single
bytes cannot make the list of pieces cost more than what they hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from zlib import crc32

from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.frame import (
    BODY_BYTES_MAX,
    CODECS_OF,
    CORRUPT,
    FIELDS,
    FLAGS_OF,
    FRAME_BYTES_MAX,
    HEADER_BYTES,
    META_BYTES_MAX,
    REGION_BYTES,
    RELEASE_BYTES,
    VERSION,
    Flag,
    Frame,
    Kind,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Buffer: TypeAlias = bytes | bytearray | memoryview

_GATHER_BYTES = 64 * 1024
"""Pieces are gathered up to this: the size of a usual read, past which a piece is worth its own object."""

_BULK = frozenset({int(Kind.CALL), int(Kind.ITEM), int(Kind.END)})
_CALL = int(Kind.CALL)
_CHECKSUM, _SEGMENT = int(Flag.CHECKSUM), int(Flag.SEGMENT)
_EXACT = -1
"""In place of a largest body: this word has one size only, and `_exact` knows it."""
_unpack = FIELDS.unpack_from
# Skips the slower `__new__` that NamedTuple makes.
_new: Callable[[type[Frame], tuple[object, ...]], Frame] = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - typeshed leaves it generic


def _shapes() -> dict[int, tuple[int, int, int, int]]:
    """Every legal word, with its kind, flags, codec and largest body.

    What has one size only is marked, so that it costs the others nothing.
    """
    return {
        word(kind, flags, codec): (int(kind), flags, codec, _body_bytes_max(kind, flags, codec))
        for kind in Kind
        for flags in range(32)
        if not flags & ~FLAGS_OF[kind]
        for codec in CODECS_OF[kind]
    }


def _body_bytes_max(kind: Kind, flags: int, codec: int) -> int:
    if flags & _SEGMENT or kind is Kind.RELEASE:
        return _EXACT
    return 0 if kind in _BULK and not codec & 0x0F else BODY_BYTES_MAX[kind]


_SHAPES = _shapes()


def _refusal(length: int, bits: int, meta: int, limit: int, *, segments: bool) -> ProtocolFault:
    """Say which rule a header breaks."""
    version, kind, flags, codec = bits.to_bytes(4, "little")
    if version != VERSION:
        return ProtocolFault(Reason.VERSION, f"frame of version {version}; this side speaks {VERSION}")
    if kind not in FLAGS_OF:
        return ProtocolFault(Reason.KIND, f"unknown kind {kind}")
    name, body_bytes = Kind(kind).name, length - meta
    if flags & _SEGMENT and kind in _BULK and not (segments and body_bytes == REGION_BYTES):
        reason, detail = Reason.SEGMENT, f"{name} with a region named in {body_bytes} bytes{_UNAGREED[segments]}"
    elif flags & ~FLAGS_OF[kind]:
        reason, detail = Reason.FLAGS, f"flags {flags:#04x} are not allowed on {name}"
    elif codec not in CODECS_OF[kind]:
        reason, detail = Reason.CODEC, f"codec byte {codec:#04x} is not allowed on {name}"
    elif meta > length or meta > META_BYTES_MAX or (meta and kind != Kind.CALL):
        reason, detail = Reason.META, f"{name} with {meta} bytes of meta in {length}"
    else:
        bulk = kind in _BULK
        length_max = BODY_BYTES_MAX[kind] if not bulk else min(BODY_BYTES_MAX[kind], limit) if codec & 0x0F else 0
        reason, detail = Reason.SIZE, f"{name} of {length} bytes; at most {length_max} are accepted"
    return ProtocolFault(reason, detail)


_UNAGREED = (", which the two sides did not agree on", "; its offset and size are 16")


def _exact(length: int, bits: int, meta: int, *, segments: bool) -> tuple[int, int, int, int] | None:
    """The shape of a word of one size only, where the header keeps to it."""
    shape = _SHAPES.get(bits)
    if shape is None or shape[3] != _EXACT:
        return None
    kind, flags, codec, _ = shape
    if not flags & _SEGMENT:
        return shape if length - meta == RELEASE_BYTES else None
    return shape if segments and length - meta == REGION_BYTES and (codec & 0x0F or kind not in _BULK) else None


class Decoder:
    """Cuts a byte stream into frames. Dead after its first fault: every later `feed` raises it again.

    Of a frame that spans reads, the header, the meta and the body are collected one after the other (`_header` holds
    the first, `_entries` the second once they are whole), so that the body is joined where it stays.
    """

    __slots__ = ("_entries", "_fault", "_header", "_missing", "_pieces", "limit", "segments")

    def __init__(self, limit: int = FRAME_BYTES_MAX) -> None:
        """`limit` is the largest `length` (meta and body together, bytes) of CALL, ITEM and END.

        The other kinds have limits of their own (`BODY_BYTES_MAX`). While `segments` is set, bodies may be regions.
        """
        self.limit = limit
        self.segments = False
        self._header: bytes | None = None
        self._entries: bytes | None = None
        self._pieces: list[bytes | bytearray] = []
        self._missing = 0
        self._fault: ProtocolFault | None = None

    @property
    def missing_bytes(self) -> int:
        """Bytes that the part in progress (header, meta or body) still lacks; 0 between frames."""
        return self._missing

    def feed(self, data: Buffer) -> list[Frame]:
        """Take the next bytes; return the frames that they complete.

        A frame whose checksum does not match comes with `CORRUPT` set and neither meta nor body. Raises
        `ProtocolFault` at the first header that breaks a rule; its `frames` are those before it.
        """
        if self._fault is not None:
            raise ProtocolFault(self._fault.reason, self._fault.detail)
        frames: list[Frame] = []
        try:
            if self._missing:
                self._resume(data, frames)
            else:
                self._parse(data if type(data) is bytes else bytes(data), frames)
        except ProtocolFault as fault:
            self._fault = fault
            self._pieces = []
            fault.frames = frames
            raise
        return frames

    def _parse(self, data: bytes, frames: list[Frame]) -> None:
        """Cut `data`, which begins with a frame, into whole frames; keep what is left of it."""
        at = 0
        end = len(data)
        limit = self.limit
        shapes = _SHAPES
        while end - at >= HEADER_BYTES:
            length, bits, function, meta, call, amount, checksum = _unpack(data, at)
            shape = shapes.get(bits)
            if shape is None or length - meta > shape[3] or (length > limit and shape[0] in _BULK):
                shape = _exact(length, bits, meta, segments=self.segments)
                if shape is None:
                    raise _refusal(length, bits, meta, limit, segments=self.segments)
            kind, flags, codec, _ = shape
            if meta and (meta > length or meta > META_BYTES_MAX or kind != _CALL):
                raise _refusal(length, bits, meta, limit, segments=self.segments)
            start = at + HEADER_BYTES
            stop = start + length
            if stop > end:
                self._begin(data[at:start], meta, length - meta)
                if start < end:
                    self._resume(memoryview(data)[start:], frames)
                return
            at = stop
            entries = data[start : start + meta] if meta else b""
            body = data[start + meta : stop]
            if flags & _CHECKSUM and crc32(body, crc32(entries)) != checksum:
                flags |= CORRUPT
                entries = body = b""
            frames.append(_new(Frame, (kind, flags, codec, function, call, amount, entries, body)))
        if at < end:
            self._pieces.append(data[at:])
            self._missing = HEADER_BYTES - (end - at)

    def _begin(self, header: bytes, meta: int, body: int) -> None:
        """Start to collect a frame whose header is whole and has been checked, and which is not empty."""
        self._header = header
        self._entries = None if meta else b""
        self._missing = meta or body

    def _resume(self, data: Buffer, frames: list[Frame]) -> None:
        """Go on with the frame in progress, then with whatever follows it."""
        view = memoryview(data)
        while self._missing and view.nbytes:
            piece = view[: self._missing]
            whole = type(data) is bytes and piece.nbytes == len(data)
            self._gather(data if whole else piece)
            self._missing -= piece.nbytes
            view = view[piece.nbytes :]
            if not self._missing:
                self._complete(b"".join(self._pieces), frames)
        if view.nbytes:
            self._parse(bytes(view), frames)

    def _complete(self, part: bytes, frames: list[Frame]) -> None:
        """Take a part that is whole: a header is checked, a body makes its frame."""
        self._pieces.clear()
        header = self._header
        if header is None:
            self._parse(part, frames)
            return
        length, bits, function, meta, call, amount, checksum = _unpack(header)
        if self._entries is None:
            self._entries = part
            self._missing = length - meta
            if self._missing:
                return
            part = b""
        entries, self._header = self._entries, None
        kind, flags, codec, _ = _SHAPES[bits]
        if flags & _CHECKSUM and crc32(part, crc32(entries)) != checksum:
            flags |= CORRUPT
            entries = part = b""
        frames.append(_new(Frame, (kind, flags, codec, function, call, amount, entries, part)))

    def _gather(self, piece: Buffer) -> None:
        last = self._pieces[-1] if self._pieces else b""
        if len(piece) >= _GATHER_BYTES:
            self._pieces.append(piece if type(piece) is bytes else bytes(piece))
        elif type(last) is bytearray and len(last) < _GATHER_BYTES:
            last += piece
        else:
            self._pieces.append(bytearray(piece))
