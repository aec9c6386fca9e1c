"""The values that travel: a call, its reply, and the stream that a reply may be.

Bodies stay bytes with their codec beside them: the host passes them through and decodes only where something must
look inside.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dragoman.core.deadline import NEVER

if TYPE_CHECKING:
    from dragoman.core.draft import Draft
    from dragoman.core.event import Event
    from dragoman.core.ordeal import Ordeal
    from dragoman.core.target import Target


class Codec(IntEnum):
    """How a body is encoded; the number is the wire's."""

    NONE = 0
    JSON = 1
    MSGPACK = 2
    BYTES = 3
    ARROW = 4


class Priority(IntEnum):
    """How much a call matters where not all can be served: the least goes first."""

    CRITICAL = 0
    NORMAL = 1
    BATCH = 2


PRIORITIES = {each.name.lower(): each for each in Priority}
"""By the words that callers and settings use."""


def priority_of(word: str) -> Priority:
    """The priority of a word. Raises `ValueError` for another."""
    try:
        return PRIORITIES[word]
    except KeyError:
        raise ValueError(f"{word[:40]!r} is no priority: expected critical, normal or batch") from None


class Trace:
    """A W3C trace context: where this call stands in somebody's trace."""

    __slots__ = ("flags", "span_id", "state", "trace_id")

    def __init__(self, trace_id: bytes, span_id: bytes, flags: int = 1, state: str = "") -> None:
        """`trace_id` is 16 bytes, `span_id` 8; `state` is the `tracestate` header, passed on untouched."""
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.state = state


class Ties:
    """How a call stands to others: which call made it, where it is, and which it has made and waits for.

    Only calls that functions make, and those that have made some, have ties. `place` is told by whoever runs the call.
    """

    __slots__ = ("caller", "place", "waits_for")

    def __init__(self, caller: Call | None = None) -> None:
        self.caller = caller
        self.place: object = None
        self.waits_for: set[Call] = set()


class Input(Protocol):
    """The items of a streamed input, each an encoded value with its codec. Whoever made it closes it."""

    def __aiter__(self) -> AsyncIterator[tuple[Codec, bytes]]:
        """Iterate over the items as they come; raises a `Fault` where there can be no more of them."""
        ...


class Call:
    """One call on its way in. Mutable only by the layer that holds it.

    `reply_codec` is the codec the caller wants back; `deadline` and `arrived_at` are seconds on the monotonic clock.
    `dispatched_at` is when it was sent to be run, 0 before that; negative, when another was in its place.
    `input` is the stream of the function's `input_stream` property, where it is not in the body. `public_id` is the id
    of the chain of calls that this one is part of, empty where it begins one. `caller` says who calls, as far as an
    ingress can tell (an address, a user), for limits by caller. `idempotency_key` makes calls one that have the same.
    `fresh` asks for an answer that is not from a cache. `spent` says that calls made for this one were retried in vain,
    so that trying it again would only multiply them. `merged` is how many calls this one was made of (0: it is one by
    itself). `ordeal` is what whoever runs it is to suffer as it is sent, in a rehearsal.
    `limits` are there where a rate limit has let the call through, or refused it.
    """

    __slots__ = (
        "arrived_at",
        "body",
        "caller",
        "codec",
        "deadline",
        "depth",
        "dispatched_at",
        "fresh",
        "id",
        "idempotency_key",
        "input",
        "limits",
        "merged",
        "on_event",
        "ordeal",
        "priority",
        "public_id",
        "reply_codec",
        "spent",
        "target",
        "ties",
        "trace",
    )

    def __init__(  # noqa: PLR0913 - built once per call on the hot path: fields, not options
        self,
        target: Target,
        body: bytes | memoryview | Draft,
        codec: Codec = Codec.JSON,
        reply_codec: Codec = Codec.JSON,
        *,
        id: int = 0,  # noqa: A002 - the field's public name
        deadline: float = NEVER,
        arrived_at: float = 0.0,
    ) -> None:
        self.target = target
        self.body = body
        self.codec = codec
        self.reply_codec = reply_codec
        self.id = id
        self.deadline = deadline
        self.arrived_at = arrived_at
        self.dispatched_at = 0.0
        self.trace: Trace | None = None
        self.caller = ""
        self.depth = 0
        self.input: Input | None = None
        self.public_id = ""
        self.ties: Ties | None = None
        self.on_event: Callable[[Event], None] | None = None
        self.priority = target.priority
        self.idempotency_key = ""
        self.fresh = False
        self.spent = False
        self.merged = 0
        self.ordeal: Ordeal | None = None
        self.limits: Limits | None = None

    def hand_over(self, now: float) -> None:
        """From now on another call runs in place of this one: whether that has begun is not known here."""
        if not self.dispatched_at:
            self.dispatched_at = -now

    def again(self, id: int) -> Call:  # noqa: A002 - the field's public name
        """The same call under another id, for one more attempt at it: nobody has it yet.

        What is streamed in cannot be had twice, so a call with an `input` has no second attempt.
        """
        call = Call(
            self.target,
            self.body,
            self.codec,
            self.reply_codec,
            id=id,
            deadline=self.deadline,
            arrived_at=self.arrived_at,
        )
        call.trace, call.caller, call.depth, call.public_id = self.trace, self.caller, self.depth, self.public_id
        call.ties, call.on_event, call.priority = self.ties, self.on_event, self.priority
        call.idempotency_key, call.fresh, call.merged = self.idempotency_key, self.fresh, self.merged
        return call


def callers_of(call: Call) -> list[Call]:
    """The calls that a call is made for: the one that made it, the one that made that, and so on."""
    callers: list[Call] = []
    while call.ties is not None and call.ties.caller is not None:
        call = call.ties.caller
        callers.append(call)
    return callers


class Stream(Protocol):
    """The items of a streamed reply, each one encoded value; closing it early cancels the call."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the items as they come; raises the call's `Fault` where the function failed."""
        ...

    async def aclose(self) -> None:
        """Stop: the call is cancelled and its worker given back. Harmless once the stream has ended."""
        ...


class Cached(NamedTuple):
    """How a reply stands to a cache.

    Seconds since it was computed, seconds for which it may be kept yet, and a tag that the same answer always has.
    """

    age_s: float
    fresh_s: float
    etag: str


class Allowance(NamedTuple):
    """What a rate limit leaves to its caller.

    Calls per window, those left, seconds until all are there again, the seconds of a window, and the limit's name.
    """

    limit: int
    remaining: int
    reset_s: float
    window_s: float
    policy: str = "default"


class Limits(Protocol):
    """What knows the limits that a call was held to."""

    def allowance(self, call: Call, /) -> Allowance:
        """What is left to the caller of a call, now."""
        ...


class Reply:
    """What came back: one body, or a stream of them (`items`), never both.

    `queue_s` is how long the call waited for a worker, `run_s` how long it ran there. `cached` is there where a cache
    has something to tell the caller.
    """

    __slots__ = ("body", "cached", "codec", "items", "queue_s", "run_s")

    def __init__(
        self,
        body: bytes | memoryview,
        codec: Codec = Codec.JSON,
        items: Stream | None = None,
        queue_s: float = 0.0,
        run_s: float = 0.0,
    ) -> None:
        self.body = body
        self.codec = codec
        self.items = items
        self.queue_s = queue_s
        self.run_s = run_s
        self.cached: Cached | None = None
