"""One request for a call: a head, the body that came with it, and the `Call` that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dragoman.contract import codec
from dragoman.contract.query import parse as parse_query
from dragoman.core.call import Call, Codec
from dragoman.core.fault import Fault, InvalidArgument
from dragoman.ingress.http.head import GET, Refusal

if TYPE_CHECKING:
    from dragoman.core.call import Input
    from dragoman.core.draft import Draft
    from dragoman.ingress.http.doors import Door, Tracer
    from dragoman.ingress.http.head import Head


class BodyLines(Protocol):
    """A body that comes in line by line."""

    whole: bool

    @property
    def items(self) -> Input:
        """What comes of it."""
        ...

    def end(self, fault: Fault | None = None) -> None:
        """Take no more of it."""
        ...


class Request:
    """A request that has come in, at `arrived_at` seconds on the monotonic clock; `lines` still come where it feeds."""

    __slots__ = ("arrived_at", "body", "head", "lines")

    def __init__(self, head: Head, body: bytes | Draft, arrived_at: float, lines: BodyLines | None = None) -> None:
        self.head = head
        self.body = body
        self.arrived_at = arrived_at
        self.lines = lines

    def to_call(self, call_id: int, tracer: Tracer) -> Call:
        """The call that it asks for. Raises `Refusal`: that of its head, or one for its query."""
        head = self.head
        if head.refusal is not None:
            raise head.refusal
        door, plan = head.door, head.plan
        assert door is not None, "a head without a refusal has a door"
        assert plan is not None, "a head without a refusal has a plan"
        target = door.target
        body_codec = plan.codec
        body: bytes | Draft = self.body
        if head.method == GET or self.lines is not None:
            body, body_codec = self._fields(door), Codec.JSON
        call = Call(
            target,
            body,
            body_codec,
            plan.reply_codec,
            id=call_id,
            deadline=self.arrived_at + head.timeout_s,
            arrived_at=self.arrived_at,
        )
        if head.traceparent or tracer.sampling:
            call.trace = tracer.enter(head.traceparent.decode("latin-1"), head.tracestate.decode("latin-1"))
        if self.lines is not None:
            call.input = self.lines.items
        call.fresh = head.fresh
        if head.marked:
            call.idempotency_key = head.idempotency_key
            if head.priority is not None:
                call.priority = head.priority
        return call

    def _fields(self, door: Door) -> bytes:
        try:
            return codec.encode(
                parse_query(self.head.query.decode("latin-1"), door.input, door.target.name), Codec.JSON
            )
        except Fault as fault:
            raise Refusal(fault, reason="query") from None
        except ValueError as error:
            raise Refusal(InvalidArgument(f"the query cannot be read: {error}"), reason="query") from None
