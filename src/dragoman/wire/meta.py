"""Meta: what a CALL carries besides its body, as a run of entries (u8 tag, u16 size, value).

Tags that this version does not know are skipped, so that a later one may add some; a known tag with a value that
breaks its rule, or a second entry of the same known tag, is a protocol fault.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from dragoman.core.call import Priority, Trace
from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.frame import Meta

ENTRY = struct.Struct("<BH")
TRACE_BYTES = 26
"""W3C Trace Context, binary: version, 16 bytes of trace id, 8 of span id, flags."""
TRACE_STATE_BYTES_MAX = 512
"""W3C Trace Context asks that at least this much of `tracestate` is passed on."""
CALL_ID_BYTES_MAX = 128
FUNCTION_BYTES_MAX = 256
MERGED_BYTES = 4
DEPTH_MAX = 16
"""Calls from guests may nest this deep: enough for any design, and it stops a loop while it is small."""

IDEMPOTENCY_KEY_BYTES_MAX = 255
"""A UUID has 36; nobody who keeps keys takes longer ones than this."""

PLAIN_MAX = 1024
"""Metas kept decoded: most name a function and nothing else, and come again and again."""
PLAIN_BYTES_MAX = 300

_PRIORITY_MAX = int(max(Priority))
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)


class Entries(NamedTuple):
    """The entries of one CALL; an absent one is `None`, empty or 0."""

    trace: Trace | None = None
    call_id: str = ""
    function: str = ""
    depth: int = 0
    merged: int = 0
    priority: Priority | None = None
    idempotency_key: str = ""


def encode(trace: Trace | None = None, call_id: str = "", function: str = "", depth: int = 0, merged: int = 0) -> bytes:
    """The meta bytes of a CALL. Raises `ValueError` where a value cannot travel."""
    parts: list[bytes] = []
    if trace is not None:
        _add(parts, Meta.TRACE, b"\0" + trace.trace_id + trace.span_id + bytes((trace.flags,)), TRACE_BYTES)
        # A tracestate too long or not plain text is dropped: W3C allows that, and a call must not fail for its trace.
        state = trace.state
        if state and state.isascii() and state.isprintable() and len(state) <= TRACE_STATE_BYTES_MAX:
            _add(parts, Meta.TRACE_STATE, state.encode(), TRACE_STATE_BYTES_MAX)
    if call_id:
        _add(parts, Meta.CALL_ID, _printable(Meta.CALL_ID, call_id).encode("ascii"), CALL_ID_BYTES_MAX)
    if function:
        _add(parts, Meta.FUNCTION, _printable(Meta.FUNCTION, function).encode(), FUNCTION_BYTES_MAX)
    if depth:
        _add(parts, Meta.DEPTH, bytes((depth,)), 1)
    if merged:
        _add(parts, Meta.MERGED, merged.to_bytes(MERGED_BYTES, "little"), MERGED_BYTES)
    return b"".join(parts)


def encode_marks(priority: Priority | None = None, idempotency_key: str = "") -> bytes:
    """Entries of a CALL that most calls have not, to stand behind the others. Raises `ValueError` as `encode` does."""
    parts: list[bytes] = []
    if priority is not None:
        _add(parts, Meta.PRIORITY, bytes((priority,)), 1)
    if idempotency_key:
        key = _printable(Meta.IDEMPOTENCY_KEY, idempotency_key).encode("ascii")
        _add(parts, Meta.IDEMPOTENCY_KEY, key, IDEMPOTENCY_KEY_BYTES_MAX)
    return b"".join(parts)


def _add(parts: list[bytes], tag: Meta, value: bytes, size_max: int) -> None:
    if len(value) > size_max:
        message = f"{tag.name} of {len(value)} bytes; at most {size_max} travel"
        raise ValueError(message)
    parts.append(ENTRY.pack(tag, len(value)) + value)


def _printable(tag: Meta, text: str) -> str:
    if not text.isprintable():
        message = f"{tag.name} has unprintable characters"
        raise ValueError(message)
    return text


def split(data: bytes) -> dict[int, bytes]:
    """The known entries by tag, unparsed. Raises `ProtocolFault` where entries overrun `data` or repeat."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if len(data) - at < ENTRY.size:
            raise ProtocolFault(Reason.META, f"{len(data) - at} stray bytes at the end")
        tag, size = ENTRY.unpack_from(data, at)
        at += ENTRY.size
        if size > len(data) - at:
            raise ProtocolFault(Reason.META, f"entry {tag} claims {size} bytes of the {len(data) - at} left")
        if tag in found:
            raise ProtocolFault(Reason.META, f"entry {tag} comes twice")
        if tag in _KNOWN:
            found[tag] = data[at : at + size]
        at += size
    return found


def names_function(data: bytes) -> bool:
    """Whether a CALL's meta has been seen before, is good, and names a function; false says nothing."""
    known = _plain.get(data)
    return known is not None and bool(known.function)


def decode(data: bytes) -> Entries:
    """The entries of a CALL's meta. Raises `ProtocolFault`."""
    known = _plain.get(data)
    if known is not None:
        return known
    entries = _decode(data)
    if not (entries.trace or entries.call_id or entries.idempotency_key) and len(data) <= PLAIN_BYTES_MAX:
        if len(_plain) >= PLAIN_MAX:
            # What is in use is back at once; keeping an order of use would cost every call for it.
            _plain.clear()
        _plain[data] = entries
    return entries


def _decode(data: bytes) -> Entries:
    if not data:
        return Entries()
    found = split(data)
    trace = _trace(found.get(Meta.TRACE))
    state = _text(found, Meta.TRACE_STATE, TRACE_STATE_BYTES_MAX)
    if trace is not None:
        trace.state = state
    depth = found.get(Meta.DEPTH, b"\0")
    if len(depth) != 1:
        raise ProtocolFault(Reason.META, f"DEPTH of {len(depth)} bytes; it is one")
    merged = found.get(Meta.MERGED, bytes(MERGED_BYTES))
    if len(merged) != MERGED_BYTES:
        raise ProtocolFault(Reason.META, f"MERGED of {len(merged)} bytes; it is {MERGED_BYTES}")
    return Entries(
        trace,
        _text(found, Meta.CALL_ID, CALL_ID_BYTES_MAX),
        _text(found, Meta.FUNCTION, FUNCTION_BYTES_MAX, "utf-8"),
        depth[0],
        int.from_bytes(merged, "little"),
        _priority(found.get(Meta.PRIORITY)),
        _text(found, Meta.IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_BYTES_MAX),
    )


def _priority(value: bytes | None) -> Priority | None:
    if value is None:
        return None
    if len(value) != 1 or value[0] > _PRIORITY_MAX:
        raise ProtocolFault(Reason.META, f"PRIORITY of {value[:8].hex()}; it is one byte, 0 to {_PRIORITY_MAX}")
    return Priority(value[0])


def _trace(value: bytes | None) -> Trace | None:
    if value is None:
        return None
    if len(value) != TRACE_BYTES:
        raise ProtocolFault(Reason.META, f"TRACE of {len(value)} bytes; it is {TRACE_BYTES}")
    trace_id, span_id = value[1:17], value[17:25]
    if value[0] != 0 or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None  # W3C: a context of an unknown version or without ids is as none; the call goes on untraced
    return Trace(trace_id, span_id, value[25])


def _text(found: dict[int, bytes], tag: Meta, size_max: int, encoding: str = "ascii") -> str:
    value = found.get(tag)
    if value is None:
        return ""
    if not 0 < len(value) <= size_max:
        raise ProtocolFault(Reason.META, f"{tag.name} of {len(value)} bytes; 1 to {size_max} are allowed")
    try:
        text = value.decode(encoding)
    except UnicodeDecodeError:
        raise ProtocolFault(Reason.META, f"{tag.name} is not {encoding}") from None
    if not text.isprintable():
        raise ProtocolFault(Reason.META, f"{tag.name} has unprintable characters")
    return text


_KNOWN = frozenset(int(tag) for tag in Meta)
_plain: dict[bytes, Entries] = {}
