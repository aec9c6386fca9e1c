"""W3C Trace Context: the headers `traceparent` and `tracestate`, read strictly and written for the next hop.

A call without these headers pays nothing unless sampling is on. Whatever is wrong in them is never the caller's error:
the specification asks to go on as if they had not come, which starts a new trace or none.
See https://www.w3.org/TR/trace-context-2/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from dragoman.core.call import Trace

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
SAMPLED = 0x01
RANDOM = 0x02
FLAGS_KNOWN = SAMPLED | RANDOM
"""The flags that have a meaning so far; others must be cleared before they are passed on."""

MEMBERS_MAX = 32
"""Entries that a `tracestate` may have."""

STATE_CHARS_MAX = 512
"""How much `tracestate` is passed on: the least that the specification asks every hop to carry."""

MEMBER_CHARS_LONG = 128
"""Entries longer than this are the first to go when a `tracestate` must be cut."""

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?", re.ASCII)
_MEMBER = re.compile(
    r"([a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])",
    re.ASCII,
)


def parse(traceparent: str, tracestate: str = "") -> Trace | None:
    """Read the headers of a caller: None where `traceparent` is not valid, and then `tracestate` does not count.

    Several `tracestate` headers are joined by commas first, in their order. A version of the future is read by the
    fields that are known today.
    """
    match = _PARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Trace(bytes.fromhex(trace_id), bytes.fromhex(span_id), int(flags, 16) & FLAGS_KNOWN, _passed_on(tracestate))


def format_parent(trace: Trace) -> str:
    """Write a `traceparent`, version 00."""
    return f"00-{trace.trace_id.hex()}-{trace.span_id.hex()}-{trace.flags & FLAGS_KNOWN:02x}"


class Tracer:
    """Decides which calls are traced, and names their spans. `sampling` says whether some start a trace by themselves.

    Invariant: randomness and the decision to sample come from outside; nothing here reads a clock or a source of
    randomness by itself.
    """

    def __init__(self, random_bytes: Callable[[int], bytes], sample: Callable[[], bool] | None = None) -> None:
        """`random_bytes(n)` gives n bytes, as `os.urandom` does; `sample()` says whether a call that came without a
        trace starts one. Without `sample`, none does.
        """  # noqa: D205 - one sentence per argument needs two lines
        self.sampling = sample is not None
        self._random_bytes = random_bytes
        self._sample = sample

    def enter(self, traceparent: str | None, tracestate: str = "") -> Trace | None:
        """The span of a call that comes in: a child of its caller's, the root of a new trace, or None."""
        parent = parse(traceparent, tracestate) if traceparent else None
        if parent is not None:
            return self.child(parent)
        if self._sample is not None and self._sample():
            return self.root()
        return None

    def root(self) -> Trace:
        """Start a trace: sampled, with ids that are all random."""
        return Trace(self._id(TRACE_ID_BYTES), self._id(SPAN_ID_BYTES), SAMPLED | RANDOM)

    def child(self, parent: Trace) -> Trace:
        """The next hop of a trace: the same trace id, flags and state, a span id of its own."""
        return Trace(parent.trace_id, self._id(SPAN_ID_BYTES), parent.flags, parent.state)

    def _id(self, size: int) -> bytes:
        drawn = self._random_bytes(size)
        # All zeros means "no id"; a source that draws it is as good with its last bit set.
        return drawn if any(drawn) else bytes(size - 1) + b"\x01"


def _passed_on(tracestate: str) -> str:
    """The part of a `tracestate` that goes on to the next hop, or nothing where it is not valid."""
    if not tracestate:
        return ""
    members = [member.strip(" \t") for member in tracestate.split(",", MEMBERS_MAX * 2)]
    members = [member for member in members if member]
    if len(members) > MEMBERS_MAX or not all(map(_MEMBER.fullmatch, members)):
        return ""
    if len({member.partition("=")[0] for member in members}) < len(members):
        return ""
    return ",".join(_fitting(members))


def _fitting(members: list[str]) -> Iterable[str]:
    """Drop whole entries until the rest fits: long ones first, then from the end, as the specification asks."""
    kept = list(members)
    for position in sorted(range(len(members)), key=lambda at: (len(members[at]) > MEMBER_CHARS_LONG, at))[::-1]:
        if sum(map(len, kept)) + len(kept) - 1 <= STATE_CHARS_MAX:
            break
        kept.remove(members[position])
    return kept
