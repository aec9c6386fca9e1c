"""The sending half of a connection: requests are answered in the order in which they came, whichever way they take.

A call is handed to its stack, and its reply is written where it arrives. Anything else becomes a task of the
application, started when its turn has come.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from dragoman.core.fault import Fault, InvalidArgument, Overloaded, Unimplemented
from dragoman.core.service import Pending, settle
from dragoman.ingress.holding import HELD_BYTES_LEAST
from dragoman.ingress.http import answer, caching
from dragoman.ingress.http.head import HEAD, NO_CONTENT, Refusal
from dragoman.ingress.http.layout import Layout
from dragoman.ingress.http.limits import limit_lines
from dragoman.ingress.http.negotiation import Form
from dragoman.ingress.http.request import Request
from dragoman.ingress.http.results import CONTENT_TYPES
from dragoman.ingress.http.streaming import StreamedResponse
from dragoman.ingress.http.submitting import SubmittedCall
from dragoman.wire.fault import Oversized

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from dragoman.core.call import Call, Reply
    from dragoman.ingress.http.lane import CallLane
    from dragoman.ingress.http.later import Later

PIPELINE_MAX = 32
"""Requests that may wait behind the one being answered; past it nothing more is read from the connection."""
PIPELINE_BYTES_MAX = 64 * 1024
"""And bytes of their bodies, so that nobody stores gigabytes here that way."""
JOIN_BYTES_MAX = 64 * 1024
"""Up to here head and body are copied together; past it they are written one after the other."""


class Answering(HttpToolsProtocol):
    """Serves requests one after the other. Its subclass finds them in the bytes that come in."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        lane: CallLane,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.lane = lane
        self.caller = ""
        self.closing = False
        self._serving: object | None = None
        self._line: deque[Any] = deque()
        self._line_bytes = 0
        self._advancing = False
        self._call: Call | None = None
        self._pending: Pending | None = None
        self._stream: StreamedResponse | None = None
        self._submitted: SubmittedCall | None = None
        self._paused_at = 0.0

    @property
    def busy(self) -> bool:
        """Whether something is being answered, or waits for it."""
        return self._serving is not None or bool(self._line)

    def unread_s(self, now: float) -> float:
        """For how many seconds the client has left what was written to it unread."""
        return now - self._paused_at if self._paused_at else 0.0

    def pause_writing(self) -> None:
        """The client reads more slowly than is written."""
        super().pause_writing()
        self._paused_at = self.lane.now()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        self._paused_at = 0.0
        if self._line and self._serving is None:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: what it asked for is cancelled."""
        super().connection_lost(exc)
        if isinstance(self._serving, RequestResponseCycle):
            # The parent tells the request that came last, which may be one that waits behind this one.
            self._serving.disconnected = True
            self._serving.message_event.set()
        for waiting in self._line:
            self._release(waiting)
        self._line.clear()
        if self._stream is not None:
            self._stream.cancel()
        elif self._submitted is not None:
            self._submitted.leave()
        elif self._pending is not None:
            self._pending.cancel()

    def shutdown(self) -> None:
        """Close when nothing is being answered; else after the last response."""
        self.closing = True
        if self._serving is None:
            self.transport.close()
        elif not isinstance(self._serving, Request) and not self._line:
            super().shutdown()

    # Requests in order

    def take(self, request: Request) -> None:
        """Serve a request, or have it wait for those before it."""
        if self._serving is None and not self._paused_at:
            self._serve(request)
        else:
            self._line.append(request)
            self._line_bytes += len(request.body)
            if len(self._line) >= PIPELINE_MAX or self._line_bytes > PIPELINE_BYTES_MAX:
                self.flow.pause_reading()

    def take_continue(self) -> None:
        """Tell the client to send the body that it has announced, once the requests before it are answered."""
        if not self.busy:
            self.transport.write(answer.CONTINUE)
        else:
            self._line.append(answer.CONTINUE)

    def take_cycle(self, cycle: Any) -> None:
        """Serve a request of the application that has been started."""
        self._serving = cycle
        if self.closing:
            cycle.keep_alive = False

    def serve_socket(self, socket: object) -> None:
        """Be busy with a connection that speaks another protocol from now on; None ends that."""
        self._serving = socket

    def take_waiting_cycle(self, cycle_and_app: Any) -> None:
        """Have a request of the application wait for those before it."""
        self._line.append(cycle_and_app)

    def on_response_complete(self) -> None:
        """The application has answered: go on with the line."""
        super().on_response_complete()
        # Idle connections are looked at once a second; a timer for each is not needed.
        self._unset_keepalive_if_required()
        self._next()

    def _next(self) -> None:
        if self.lane.held_bytes:
            self._release(self._serving)
        self._serving = self._pending = self._call = None
        if not self._line and not self.closing:
            return
        if self._advancing:
            return  # the loop below goes on; else a line of refusals would answer each other ever deeper
        self._advancing = True
        # Who leaves replies unread gets no more of them, or they would all be held here.
        while self._line and self._serving is None and not (self._paused_at or self.transport.is_closing()):
            self._serve_first()
        self._advancing = False
        if self.closing and self._serving is None and not self._line:
            self.transport.close()

    def _serve_first(self) -> None:
        waiting = self._line.popleft()
        if isinstance(waiting, Request):
            self._line_bytes -= len(waiting.body)
        if len(self._line) < PIPELINE_MAX and self._line_bytes <= PIPELINE_BYTES_MAX:
            self.flow.resume_reading()
        if isinstance(waiting, Request):
            self._serve(waiting)
        elif waiting is answer.CONTINUE:
            self.transport.write(waiting)
        else:
            cycle, app = waiting
            cycle.keep_alive = cycle.keep_alive and not (self.closing and not self._line)
            self._serving = cycle
            self._start_asgi_task(cycle, app)

    def _release(self, served: object) -> None:
        """Let go of a request that has been answered, or that nobody waits for any more."""
        if isinstance(served, Request) and len(served.body) > HELD_BYTES_LEAST:
            self.lane.held_bytes -= len(served.body)
            served.body = b""

    # Calls

    def _serve(self, request: Request) -> None:
        self._serving = request
        lane = self.lane
        call_id = lane.next_id()
        if lane.draining:
            self._refuse(request, call_id, Refusal(lane.stopping(), reason="draining"))
            return
        try:
            call = request.to_call(call_id, lane.tracer)
        except Refusal as refusal:
            self._refuse(request, call_id, refusal)
            return
        self._call = call
        call.caller = request.head.caller or self.caller
        if request.head.later is not None:
            self._submit(request, call, request.head.later)
            return
        door = request.head.door
        assert door is not None, "what became a call has a door"
        door.meter.in_flight += 1
        try:
            answer_to_come = door.service(call)
            pending = answer_to_come if isinstance(answer_to_come, Pending) else settle(answer_to_come)
        except Oversized as error:
            pending = Pending.failed(InvalidArgument(f"the body is too large for its worker: {error}"))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, the caller gets an answer
            pending = Pending.failed(Fault.internal(f"the host failed to run the call: {error!r}"))
        self._pending = pending
        pending.then(self._answered)

    def _submit(self, request: Request, call: Call, later: Later) -> None:
        """Have a call stored as a task, in place of being run."""
        lane = self.lane
        if lane.board is None:
            refusal = Refusal(Unimplemented("this host keeps no tasks: send the call without Prefer"), reason="tasks")
            self._refuse(request, call.id, refusal)
            return
        self._submitted = SubmittedCall(lane, lane.board, request.head, later, call)
        self._submitted.start(self._stored, lambda: self._closes(request))

    def _stored(self, response: bytes) -> None:
        request = self._serving
        assert isinstance(request, Request), "a call is submitted while its request is served"
        self._submitted = None
        self._finish(response, close=self._closes(request))

    def _answered(self, pending: Pending) -> None:
        request, call = self._serving, self._call
        assert isinstance(request, Request), "a call is answered while its request is served"
        assert call is not None, "a call is answered while it is in progress"
        self._pending = None
        reply = pending.reply
        if reply is None:
            assert pending.fault is not None, "a settled call has a reply or a fault"
            self._failed(request, call, pending.fault)
        elif reply.items is None:
            self._replied(request, call, reply)
        else:
            self._stream = StreamedResponse(self.lane, request.head, call, reply, self.transport, self.flow)
            self._stream.start(self._streamed, self.hang_up, close=self._closes(request))

    def _replied(self, request: Request, call: Call, reply: Reply) -> None:
        lane, head = self.lane, request.head
        door, plan, body = head.door, head.plan, reply.body
        assert door is not None, "what became a call has a door"
        assert plan is not None, "what became a call has a plan"
        now = lane.now()
        total_s = now - call.arrived_at
        door.meter.finished(None, total_s)
        content_type = plan.content_type
        if plan.form is not Form.UNARY:
            layout = Layout(plan.form)
            body = layout.items([bytes(body)]) + layout.end()
        elif reply.codec is not plan.reply_codec:
            content_type = CONTENT_TYPES[reply.codec]
        lines = lane.wall.date(now)
        if call.limits is not None:
            lines += limit_lines(call.limits.allowance(call))
        close = self._closes(request)
        if reply.cached is not None:
            lines += caching.lines(reply.cached, plan.form)
            if head.if_none_match and caching.is_known(reply.cached, head, plan.form):
                lines += b"dragoman-call-id: %b%08x\r\n" % (lane.prefix, call.id)
                self._finish(caching.not_modified(lines, answer.CLOSE if close else b""), close=close)
                return
        start = answer.OK % (
            content_type,
            lines + answer.CLOSE if close else lines,
            len(body),
            lane.prefix,
            call.id,
            reply.queue_s * 1e3,
            reply.run_s * 1e3,
            total_s * 1e3,
        )
        transport = self.transport
        if not transport.is_closing():
            if len(body) <= JOIN_BYTES_MAX:
                transport.write(start + body)
            else:
                transport.write(start)
                transport.write(body)
            if close:
                self.hang_up()
        self._next()

    def _failed(self, request: Request, call: Call, fault: Fault) -> None:
        lane, head = self.lane, request.head
        assert head.door is not None, "what became a call has a door"
        now = lane.now()
        head.door.meter.finished(fault.code, now - call.arrived_at)
        close = self._closes(request)
        lines = answer.CLOSE if close else b""
        if call.limits is not None:
            lines += limit_lines(fault.allowance or call.limits.allowance(call))
        if (type(fault) is Overloaded or fault.allowance is not None) and head.method != HEAD:
            self._finish(lane.overloaded(fault, head, call, now, lines), close=close)
            return
        lane.failed(call, fault)
        self._finish(lane.problem(fault, head, call, lines), close=close)

    def _refuse(self, request: Request, call_id: int, refusal: Refusal) -> None:
        lane, head = self.lane, request.head
        close = self._closes(request) or lane.draining
        end = answer.CLOSE if close else b""
        allow = b"allow: %b\r\n" % refusal.allow if refusal.allow else b""
        if refusal.status == NO_CONTENT:
            self._finish(answer.no_content(lane.wall.date(lane.now()), allow, end), close=close)
            return
        lane.refused(refusal.reason)
        if head.door is not None:
            refusal.fault.function = head.door.target.name
        self._finish(lane.problem(refusal.fault, head, call_id, allow, end, status=refusal.status), close=close)

    def _closes(self, request: Request) -> bool:
        """Whether the response is the last one of its connection."""
        cut = request.lines is not None and not request.lines.whole
        return cut or not request.head.keep_alive or (self.closing and not self._line)

    def _streamed(self, *, complete: bool) -> None:
        """A streamed response has ended; one that is not complete takes its connection with it."""
        self._stream = None
        if not complete:
            self.transport.close()
        self._next()

    def _finish(self, response: bytes, *, close: bool) -> None:
        transport = self.transport
        if not transport.is_closing():
            transport.write(response)
            if close:
                self.hang_up()
        self._next()

    def hang_up(self) -> None:
        """Close after what has been written."""
        self.transport.close()
