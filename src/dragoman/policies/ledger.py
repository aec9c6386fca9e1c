"""What calls with an idempotency key have come to: those that run, and the answers of those that did.

Answers are forgotten after their time; before it only where there is no room, the oldest first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

from dragoman.core.call import Reply

if TYPE_CHECKING:
    from dragoman.core.fault import Fault

Key: TypeAlias = tuple[str, str]
"""A caller, and the key that it chose."""
ENTRY_BYTES = 300
"""What an entry takes besides its answer."""


class Told:
    """What a key stands for: `body` is the fingerprint of its input, `answer` what repeats it.

    `why` says, in place of an answer, for what reason there is none to repeat.
    """

    __slots__ = ("answer", "body", "expires_at", "why")

    def __init__(self, body: bytes, answer: Reply | Fault | None, why: str = "") -> None:
        self.body = body
        self.answer = answer
        self.why = why
        self.expires_at = 0.0

    @property
    def bytes(self) -> int:
        """How much of the memory it counts for."""
        answer = self.answer
        if isinstance(answer, Reply):
            return ENTRY_BYTES + len(answer.body)
        return ENTRY_BYTES + (0 if answer is None else len(answer.detail) + len(answer.traceback))


class Ledger:
    """The answers of one function, bounded in number, in bytes and in time."""

    def __init__(self, entries_max: int, bytes_max: int, ttl_s: float) -> None:
        self.bytes = self.evicted = 0
        self._entries: OrderedDict[Key, Told] = OrderedDict()
        self.bound(entries_max, bytes_max, ttl_s)

    def bound(self, entries_max: int, bytes_max: int, ttl_s: float) -> None:
        """Keep to these bounds from the next answer on; those that are kept keep their time."""
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._ttl_s = ttl_s

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Key, now: float) -> Told | None:
        """What a key stands for yet."""
        told = self._entries.get(key)
        if told is not None and told.expires_at <= now:
            self._drop(key)
            return None
        return told

    def write(self, key: Key, told: Told, now: float) -> None:
        """Keep an answer. One that is larger than all that may be kept leaves a note that there was one."""
        self._drop(key)
        if told.bytes > self._bytes_max:
            told = Told(told.body, None, "is larger than all that may be kept (idempotency.memory)")
        told.expires_at = now + self._ttl_s
        entries = self._entries
        while entries and self._is_full(told, now):
            oldest = next(iter(entries))
            self.evicted += entries[oldest].expires_at > now
            self._drop(oldest)
        entries[key] = told
        self.bytes += told.bytes

    def _is_full(self, told: Told, now: float) -> bool:
        oldest = next(iter(self._entries.values()))
        crowded = len(self._entries) >= self._entries_max or self.bytes + told.bytes > self._bytes_max
        return crowded or oldest.expires_at <= now

    def _drop(self, key: Key) -> None:
        told = self._entries.pop(key, None)
        if told is not None:
            self.bytes -= told.bytes
