"""The call path between the HTTP protocol and the stack: what a call needs that no single connection owns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dragoman.core.moment import rfc3339
from dragoman.ingress.http import answer
from dragoman.ingress.http.problem import render, retry_after, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Call, Reply
    from dragoman.core.clock import Clock
    from dragoman.core.fault import Fault
    from dragoman.ingress.http.doors import Doors, Tracer
    from dragoman.ingress.http.options import HttpOptions
    from dragoman.ingress.http.request import Request

TRACEPARENT_DASHES = 3


class Listener(Protocol):
    """Told of what goes wrong."""

    def refused(self, reason: str) -> None:
        """A request was turned away before it became a call; `reason` is one of few words."""
        ...

    def failed(self, call: Call, fault: Fault) -> None:
        """A call has failed."""
        ...


class CallLane:
    """Doors, options, ids and clocks of one HTTP ingress."""

    def __init__(  # noqa: PLR0913 - the ports of one ingress, bound once
        self,
        doors: Doors,
        options: HttpOptions,
        tracer: Tracer,
        clock: Clock,
        *,
        prefix: str,
        service: str,
        next_id: Callable[[], int],
        listener: Listener,
    ) -> None:
        """`prefix` makes the call ids of this host its own; `service` names the project in faults."""
        self.doors = doors
        self.options = options
        self.tracer = tracer
        self.now = clock.monotonic
        self.prefix = prefix.encode()
        self.dates = answer.DateHeader(clock)
        self.next_id = next_id
        self.refused = listener.refused
        self.failed = listener.failed
        self._clock = clock
        self._service = service

    def problem(self, fault: Fault, request: Request, call_id: int, status: int = 0, *extra: bytes) -> bytes:
        """The response for a fault, as problem+json."""
        body = self.document(fault, request, call_id, status)
        lines = [b"dragoman-call-id: %b\r\n" % fault.call_id.encode()] if call_id else []
        wait = retry_after(fault)
        if wait:
            lines.append(b"retry-after: %b\r\n" % wait.encode())
        if not request.keep_alive:
            lines.append(answer.CLOSE)
        return answer.problem(status or status_of(fault.code), body, self.dates.line(self.now()), *lines, *extra)

    def document(self, fault: Fault, request: Request, call_id: int, status: int = 0) -> bytes:
        """The problem document of a fault; the fault learns what only the lane knows."""
        fault.service = self._service
        fault.call_id = f"{self.prefix.decode()}{call_id:08x}" if call_id else ""
        fault.trace_id = ""
        if request.traceparent.count(b"-") >= TRACEPARENT_DASHES:
            fault.trace_id = request.traceparent.split(b"-")[1].decode("latin-1")
        return render(
            fault,
            status=status or status_of(fault.code),
            instance=request.path.decode("latin-1"),
            timestamp=rfc3339(self._clock.now()),
            debug=self.options.debug,
        )

    def ok(self, request: Request, call_id: int, reply: Reply, body_bytes: int, content_type: bytes) -> bytes:
        """The head of a response whose whole body is known."""
        now = self.now()
        tail = self.dates.line(now)
        return answer.OK % (
            content_type,
            tail if request.keep_alive else tail + answer.CLOSE,
            body_bytes,
            self.prefix,
            call_id,
            reply.queue_s * 1e3,
            reply.run_s * 1e3,
            (now - request.arrived_at) * 1e3,
        )
