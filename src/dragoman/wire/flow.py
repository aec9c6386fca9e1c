"""Credit: how many bytes of a stream may be on their way, so that a fast function cannot drown a slow reader.

Each side counts up only (`sent` and `granted`) and compares. An item costs its header too, so that a stream of empty
items is bounded like any other.
"""

from __future__ import annotations

from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.frame import HEADER_BYTES

CREDIT_BYTES_MAX = 2**31
"""A sender's credit never exceeds this, so that every language can keep it in a signed 64-bit or a double."""


class Sender:
    """The sending end of one stream. Invariant: credit is `granted - sent`, and may be below zero by one item."""

    __slots__ = ("granted", "items", "sent")

    def __init__(self, window: int) -> None:
        self.granted = window
        self.sent = 0
        self.items = 0

    @property
    def credit(self) -> int:
        """Bytes that may be sent now; an item may go while this is above zero."""
        return self.granted - self.sent

    def spend(self, body_bytes: int) -> None:
        """Count an item as sent. The caller has looked at `credit` first."""
        self.sent += HEADER_BYTES + body_bytes
        self.items += 1

    def grant(self, amount: int) -> None:
        """Take the reader's CREDIT. Raises `ProtocolFault` where it is nothing, or takes the credit past 2^31."""
        if not amount:
            raise ProtocolFault(Reason.CREDIT, "a CREDIT of nothing")
        if self.granted - self.sent + amount > CREDIT_BYTES_MAX:
            raise ProtocolFault(Reason.CREDIT, f"a CREDIT of {amount} takes the stream past {CREDIT_BYTES_MAX}")
        self.granted += amount


class Receiver:
    """The reading end of one stream: checks that the sender keeps to its credit, and says when to grant more."""

    __slots__ = ("consumed", "granted", "items", "received", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.granted = window
        self.received = 0
        self.consumed = 0
        self.items = 0

    def take(self, body_bytes: int) -> None:
        """Count an item as received. Raises `ProtocolFault` where the sender had no credit left."""
        if self.received >= self.granted:
            raise ProtocolFault(Reason.CREDIT, "an ITEM without credit")
        self.received += HEADER_BYTES + body_bytes
        self.items += 1

    def consume(self, body_bytes: int) -> int:
        """Count an item as used up; return the bytes to grant now: 0 until half the window is free again."""
        self.consumed += HEADER_BYTES + body_bytes
        due = self.consumed + self.window - self.granted
        return due if due * 2 >= self.window else 0

    def grant(self, amount: int) -> None:
        """Count a CREDIT as sent. Raises `ValueError` where it would take the sender's credit past 2^31."""
        if not 0 < amount <= CREDIT_BYTES_MAX - (self.granted - self.received):
            message = f"a CREDIT of {amount} is nothing, or takes the stream past {CREDIT_BYTES_MAX}"
            raise ValueError(message)
        self.granted += amount
