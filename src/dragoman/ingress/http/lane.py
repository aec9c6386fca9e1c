"""The call path between the HTTP protocol and the stack: what a call needs that no single connection owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.fault import Draining
from dragoman.ingress.holding import RETRY_S, held_bytes_max
from dragoman.ingress.http import answer
from dragoman.ingress.http.head import HEAD, NAME_CHARS_MAX
from dragoman.ingress.http.overload import OverloadAnswers
from dragoman.ingress.http.problem import render, retry_after, status_of

if TYPE_CHECKING:
    from dragoman.core.call import Call, Trace
    from dragoman.core.clock import Clock
    from dragoman.core.fault import Fault
    from dragoman.ingress.http.board import Board
    from dragoman.ingress.http.doors import Doors, Tracer
    from dragoman.ingress.http.head import Head
    from dragoman.ingress.http.options import HttpOptions
    from dragoman.ingress.listener import Listener, Naming

HEADS_MAX = 1024
"""Heads remembered: each client program sends one or a few for every function that it calls."""
HEAD_BYTES_MAX = 1024
"""Longer heads are read each time: remembering them would cost more memory than it saves work."""


class CallLane:
    """Doors, options, ids and clocks of one HTTP ingress."""

    def __init__(
        self, doors: Doors, options: HttpOptions, tracer: Tracer, clock: Clock, naming: Naming, listener: Listener
    ) -> None:
        self.doors = doors
        self.heads: dict[bytes, Head] = {}
        doors.on_replace = self.heads.clear
        self.options = options
        self.caller_header = options.caller_header.lower().encode()
        self.tracer = tracer
        self.now = clock.monotonic
        self.prefix = naming.prefix.encode()
        self._prefix = naming.prefix
        self.wall = answer.Now(clock)
        self.next_id = naming.next_id
        self.counts = listener.counts
        self.refused = listener.counts.refused
        self._failed = listener.failed
        self.connections_max = options.connections_max
        self.draining = False
        self.board: Board | None = None
        self.loopback_port = 0
        self.held_bytes = 0
        self.held_bytes_max = held_bytes_max(options.body_bytes_max)
        self._service = naming.service
        self._overload = OverloadAnswers(naming.prefix, naming.service, self.wall, self._render)

    def remember(self, data: bytes, head: Head) -> None:
        """Know what these bytes, a whole head, ask for, so that they need not be parsed when they come again."""
        if len(data) <= HEAD_BYTES_MAX:
            if len(self.heads) >= HEADS_MAX:
                # What is in use is back at once; keeping an order of use would cost every call for it.
                self.heads.clear()
            self.heads[data] = head

    def failed(self, call: Call, fault: Fault) -> None:
        """Tell that a call has failed; the fault learns what only the lane knows."""
        self._identify(fault, call.id, call.trace)
        self._failed(call, fault)

    def stopping(self) -> Draining:
        """Why there are no new calls while the host stops."""
        return Draining(f"{self._service} is stopping and takes no new calls", retry_after_s=RETRY_S)

    def overloaded(self, fault: Fault, head: Head, call: Call, now: float, lines: bytes) -> bytes:
        """As `problem`, for a call that its function has no room for, or that is past a limit."""
        return self._overload.write(fault, head, call, now, lines)

    def problem(self, fault: Fault, head: Head, call: Call | int, *lines: bytes, status: int = 0) -> bytes:
        """The whole response for a fault of a call, or of a request that became none but has an id."""
        status = status or status_of(fault.code)
        call_id = call if isinstance(call, int) else call.id
        trace = self._trace(head) if isinstance(call, int) else call.trace
        body = self.document(fault, head, call_id, trace, status)
        response = answer.problem(
            status,
            body,
            self.wall.date(self.now()),
            b"dragoman-call-id: %b%08x\r\n" % (self.prefix, call_id),
            b"retry-after: %b\r\n" % wait.encode() if (wait := retry_after(fault)) else b"",
            *lines,
        )
        return response if head.method != HEAD else response[: -len(body)]

    def document(self, fault: Fault, head: Head, call_id: int, trace: Trace | None, status: int = 0) -> bytes:
        """The problem document of a fault."""
        self._identify(fault, call_id, trace)
        return self._render(fault, head, self.wall.timestamp(), status)

    def _identify(self, fault: Fault, call_id: int, trace: Trace | None) -> None:
        fault.service = self._service
        fault.call_id = f"{self._prefix}{call_id:08x}"
        fault.trace_id = "" if trace is None else trace.trace_id.hex()

    def _render(self, fault: Fault, head: Head, timestamp: str, status: int = 0) -> bytes:
        instance = head.path[:NAME_CHARS_MAX].decode("latin-1")
        status = status or status_of(fault.code)
        return render(fault, status=status, instance=instance, timestamp=timestamp, debug=self.options.debug)

    def _trace(self, head: Head) -> Trace | None:
        if not head.traceparent:
            return None
        return self.tracer.enter(head.traceparent.decode("latin-1"), head.tracestate.decode("latin-1"))
