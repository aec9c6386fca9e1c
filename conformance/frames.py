"""Frames as cases write them, to bytes and back.

Written from proto/SPEC.md and not from `dragoman.wire`, which it is to judge: a mistake made twice would go unseen.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

HEADER = struct.Struct("<IBBBBIIQII")
KINDS = {
    name: number
    for number, name in enumerate(
        (
            "HELLO",
            "READY",
            "CALL",
            "ITEM",
            "END",
            "FAULT",
            "CANCEL",
            "CREDIT",
            "EVENT",
            "PING",
            "PONG",
            "DRAIN",
            "BYE",
            "RELEASE",
        ),
        start=1,
    )
}
NAMES = {number: name for name, number in KINDS.items()}
FLAGS = {"CHECKSUM": 1, "SEGMENT": 2, "STREAM": 4, "UNSTARTED": 8, "INPUT": 16}
CODECS = {"none": 0, "json": 1, "msgpack": 2, "bytes": 3, "arrow": 4}
CODEC_NAMES = {number: name for name, number in CODECS.items()}
TAGS = {"trace": 1, "trace_state": 2, "call_id": 3, "function": 4, "depth": 5}
GUEST_IDS = 2**63
FRAME_BYTES_MAX = 128 * 1024 * 1024
"""Past this a length is nonsense, whatever the case is about."""


@dataclass
class Frame:
    """One frame, its header's fields by name. `body` is the bytes; `value` what they say under `codec`."""

    kind: str
    flags: frozenset[str] = frozenset()
    codec: str = "none"
    want: str = "none"
    function: int = 0
    call: int = 0
    amount: int = 0
    meta: dict[str, Any] = field(default_factory=dict[str, Any])
    body: bytes = b""
    version: int = 1

    @property
    def value(self) -> Any:
        """The body decoded. Raises `msgspec.DecodeError` where it does not keep to its codec."""
        if self.codec == "json":
            return msgspec.json.decode(self.body)
        if self.codec == "msgpack":
            return msgspec.msgpack.decode(self.body)
        return self.body if self.codec != "none" else None

    def pack(self) -> bytes:
        """The frame as bytes, with its checksum if the flag asks for one."""
        meta = pack_meta(self.meta)
        flags = sum(FLAGS[name] for name in self.flags)
        checksum = zlib.crc32(meta + self.body) if "CHECKSUM" in self.flags else 0
        codec = CODECS[self.codec] | CODECS[self.want] << 4
        length = len(meta) + len(self.body)
        head = (length, self.version, KINDS[self.kind], flags, codec, self.function, len(meta), self.call, self.amount)
        return HEADER.pack(*head, checksum) + meta + self.body


def encode(value: Any, codec: str) -> bytes:
    """A value under a codec; bytes stay as they are under `bytes` and `arrow`."""
    if codec == "json":
        return msgspec.json.encode(value)
    if codec == "msgpack":
        return msgspec.msgpack.encode(value)
    if codec == "none":
        return b""
    return value if isinstance(value, bytes) else str(value).encode()


def pack_meta(meta: dict[str, Any]) -> bytes:
    """Meta entries by name: hex for `trace`, a number for `depth`, text for the rest."""
    packed = b""
    for name, value in meta.items():
        if name == "trace":
            data = bytes.fromhex(value)
        elif name == "depth":
            data = bytes([value])
        else:
            data = str(value).encode()
        packed += struct.pack("<BH", TAGS[name], len(data)) + data
    return packed


def unpack_meta(data: bytes) -> dict[str, Any]:
    """The entries of known tags, as `pack_meta` takes them. Raises `ValueError` where they overrun."""
    names = {tag: name for name, tag in TAGS.items()}
    entries: dict[str, Any] = {}
    at = 0
    while at < len(data):
        tag, size = struct.unpack_from("<BH", data, at)
        value = data[at + 3 : at + 3 + size]
        if len(value) != size:
            message = "meta overruns"
            raise ValueError(message)
        at += 3 + size
        name = names.get(tag)
        if name == "trace":
            entries[name] = value.hex()
        elif name == "depth":
            entries[name] = value[0]
        elif name:
            entries[name] = value.decode()
    return entries


def unpack(data: bytes) -> tuple[Frame, int] | None:
    """The first frame in `data` and how long it is, or `None` while it is not whole. Raises `ValueError`."""
    if len(data) < HEADER.size:
        return None
    length, version, kind, flags, codec, function, meta, call, amount, checksum = HEADER.unpack_from(data)
    if version != 1 or kind not in NAMES or length > FRAME_BYTES_MAX or meta > length:
        message = f"no frame begins with {data[:32].hex()}"
        raise ValueError(message)
    end = HEADER.size + length
    if len(data) < end:
        return None
    inner = data[HEADER.size : end]
    if flags & FLAGS["CHECKSUM"] and zlib.crc32(inner) != checksum:
        message = f"the checksum of {NAMES[kind]} does not match"
        raise ValueError(message)
    frame = Frame(
        NAMES[kind],
        frozenset(name for name, bit in FLAGS.items() if flags & bit),
        CODEC_NAMES[codec & 15],
        CODEC_NAMES[codec >> 4],
        function,
        call,
        amount,
        unpack_meta(inner[:meta]),
        inner[meta:],
        version,
    )
    return frame, end
