"""One request for a call: a head, the body that came with it, and the `Call` that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.contract import codec
from dragoman.contract.query import parse as parse_query
from dragoman.core.call import Call, Codec
from dragoman.core.fault import Fault, InvalidArgument
from dragoman.ingress.http.head import GET, Refusal

if TYPE_CHECKING:
    from dragoman.ingress.http.doors import Door, Tracer
    from dragoman.ingress.http.head import Head


class Request:
    """A request that has come in whole, at `arrived_at` seconds on the monotonic clock."""

    __slots__ = ("arrived_at", "body", "head")

    def __init__(self, head: Head, body: bytes, arrived_at: float) -> None:
        self.head = head
        self.body = body
        self.arrived_at = arrived_at

    def to_call(self, call_id: int, tracer: Tracer) -> Call:
        """The call that it asks for. Raises `Refusal`: that of its head, or one for its query."""
        head = self.head
        if head.refusal is not None:
            raise head.refusal
        door, plan = head.door, head.plan
        assert door is not None, "a head without a refusal has a door"
        assert plan is not None, "a head without a refusal has a plan"
        target = door.target
        body, body_codec = self.body, plan.codec
        if head.method == GET:
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
