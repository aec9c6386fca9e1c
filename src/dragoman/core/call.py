"""The values that travel: a call, its reply, and the stream that a reply may be.

Bodies stay bytes with their codec beside them: the host passes them through and decodes only where something must
look inside.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from dragoman.core.deadline import NEVER

if TYPE_CHECKING:
    from dragoman.core.draft import Draft
    from dragoman.core.event import Event
    from dragoman.core.target import Target


class Codec(IntEnum):
    """How a body is encoded; the number is the wire's."""

    NONE = 0
    JSON = 1
    MSGPACK = 2
    BYTES = 3
    ARROW = 4


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
    `input` is the stream of the function's `input_stream` property, where it is not in the body. `public_id` is the id
    of the chain of calls that this one is part of, empty where it begins one.
    """

    __slots__ = (
        "arrived_at",
        "body",
        "caller",
        "codec",
        "deadline",
        "depth",
        "dispatched_at",
        "id",
        "input",
        "on_event",
        "public_id",
        "reply_codec",
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


class Reply:
    """What came back: one body, or a stream of them (`items`), never both.

    `queue_s` is how long the call waited for a worker, `run_s` how long it ran there.
    """

    __slots__ = ("body", "codec", "items", "queue_s", "run_s")

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
