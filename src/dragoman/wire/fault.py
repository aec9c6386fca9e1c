"""What goes wrong on a wire: the peer broke the protocol, or this side tried to.

Each protocol fault names one `Reason` of a closed set, which the test vectors and every guest library share, so that
two implementations can be compared by more than "it failed".
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.wire.frame import Frame


class Reason(StrEnum):
    """Why a connection ended in a protocol fault (SPEC.md §12)."""

    VERSION = "version"
    KIND = "kind"
    FLAGS = "flags"
    SEGMENT = "segment"
    CODEC = "codec"
    SIZE = "size"
    META = "meta"
    CHECKSUM = "checksum"
    JSON = "json"
    HANDSHAKE = "handshake"
    DIRECTION = "direction"
    STATE = "state"
    CALL_ID = "call_id"
    DUPLICATE_CALL = "duplicate_call"
    UNKNOWN_CALL = "unknown_call"
    CALLS = "calls"
    STREAM = "stream"
    CREDIT = "credit"
    REVOKE = "revoke"
    PONG = "pong"
    TRUNCATED = "truncated"


class ProtocolFault(Exception):  # noqa: N818 - "fault" is this project's word for a failure that travels
    """The peer broke the protocol: the connection is dead.

    `frames` are the valid frames that came before the broken one in the same read, so that an answer which arrived
    intact is not lost with the connection.
    """

    def __init__(self, reason: Reason, detail: str, frames: list[Frame] | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.frames: list[Frame] = frames or []


class Oversized(ValueError):  # noqa: N818 - names the condition, as every fault here does
    """A frame of this side's is past what the peer accepts; nothing was sent and no state has changed."""
