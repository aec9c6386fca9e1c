"""The server's HTTP/1.1 protocol, with a lane of its own for calls.

Everything that is not a call goes through the parent class to the ASGI application. A call never becomes a scope, a
task or an event: the parser's callbacks fill a `Request`, its end hands a `Call` to the stack, and the reply is
written where it arrives (ADR 0004). Responses leave in the order of their requests, whichever way they took.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dragoman.core.call import Codec
from dragoman.core.fault import Fault, InvalidArgument, Overloaded
from dragoman.core.service import settle
from dragoman.ingress.http import answer, negotiation
from dragoman.ingress.http.doors import CALL_PREFIX
from dragoman.ingress.http.layout import Layout
from dragoman.ingress.http.negotiation import Form
from dragoman.ingress.http.request import Refusal, Request, too_large
from dragoman.ingress.http.streaming import StreamedResponse

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from dragoman.core.call import Call
    from dragoman.core.service import Pending
    from dragoman.ingress.http.lane import CallLane

PIPELINE_MAX = 32
"""Requests that may wait behind the one being answered; past it nothing more is read from the connection."""
CONTENT_TYPES = {
    Codec.JSON: negotiation.JSON,
    Codec.MSGPACK: negotiation.MSGPACK,
    Codec.BYTES: negotiation.BYTES,
}
JOIN_BYTES_MAX = 64 * 1024
"""Up to here head and body are copied together; past it they are written one after the other."""


HTTP_TOO_LARGE = 413


class Phase(Enum):
    """What is being received: nothing, a head, or a body."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()


class _Busy:
    """Stands for a response in progress where the parent class asks whether it may start another."""

    response_complete = False


_BUSY: Any = _Busy()


class CallProtocol(HttpToolsProtocol):
    """One connection."""

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
        self._lane = lane
        self._request: Request | None = None
        self._serving: object | None = None
        self._line: deque[Any] = deque()
        self._call: Call | None = None
        self._pending: Pending | None = None
        self._stream: StreamedResponse | None = None
        self._phase_bytes = 0
        self._closing = False
        self._deaf = False
        self._paused_at = 0.0
        self.phase = Phase.IDLE
        self.since = lane.now()

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] - the parent narrows it too
        """Take a connection, unless there are as many as there may be."""
        super().connection_made(transport)
        if len(self.connections) > self._lane.options.connections_max:
            self.refuse(
                "connections", 503, Overloaded("this host has as many connections as it takes", retry_after_s=1)
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: what it asked for is cancelled."""
        super().connection_lost(exc)
        self._deaf = True
        self._line.clear()
        if self._stream is not None:
            self._stream.cancel()
        elif self._pending is not None:
            self._pending.cancel()

    def shutdown(self) -> None:
        """Close when nothing is in progress; else after the response to the last request that has been read."""
        if isinstance(self._serving, Request) or self._line:
            self._closing = True
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Parse what came; the callbacks below do the rest."""
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        assert self.parser is not None, "data after the connection was lost"
        if self.phase is Phase.IDLE:
            self.phase, self.since, self._phase_bytes = Phase.HEAD, self._lane.now(), 0
        self._phase_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._closing = self._deaf = True
        except httptools.HttpParserError as error:
            detail = f"this is not HTTP/1.1 as it should be: {error.__context__ or error}"
            self.refuse("malformed", 400, InvalidArgument(detail))
        else:
            if self.phase is Phase.HEAD and self._phase_bytes > self._lane.options.header_bytes_max:
                self._too_many_headers()

    def refuse(self, reason: str, status: int, fault: Fault) -> None:
        """Answer what has come so far with a fault, hear nothing more, and close."""
        self._lane.refused(reason)
        self._deaf = True
        request = Request(b"", b"", self._lane.now(), keep_alive=False)
        request.refusal = Refusal(fault, status)
        self._request = None
        self._enqueue(request)

    def _too_many_headers(self) -> None:
        limit = self._lane.options.header_bytes_max
        self.refuse("headers", 431, InvalidArgument(f"a request's head may have {limit} bytes here"))

    # What the parser finds

    def on_message_begin(self) -> None:
        """Begin a request, with as little as any needs."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._request = None

    def on_headers_complete(self) -> None:
        """Decide which way the request goes."""
        if (
            self._phase_bytes > self._lane.options.header_bytes_max
            and self._head_size() > self._lane.options.header_bytes_max
        ):
            self._too_many_headers()
        if self._deaf:
            return
        self.phase, self.since = Phase.BODY, self._lane.now()
        if self.url.startswith(CALL_PREFIX):
            self._begin_call()
        else:
            self._begin_other()

    def on_body(self, body: bytes) -> None:
        """Gather the body of a call, up to its limit."""
        request = self._request
        if request is None:
            if not self._deaf:
                super().on_body(body)
            return
        request.body_bytes += len(body)
        if request.refusal is None and request.body_bytes > self._lane.options.body_bytes_max:
            self.refuse("body", 413, too_large(self._lane.options.body_bytes_max).fault)
        elif not request.body:
            request.body = body
        elif isinstance(request.body, list):
            request.body.append(body)
        else:
            request.body = [request.body, body]

    def on_message_complete(self) -> None:
        """Serve the request, or have it wait for those before it."""
        if self._deaf:
            return
        self.phase, self.since, self._phase_bytes = Phase.IDLE, self._lane.now(), 0
        if self._request is None:
            super().on_message_complete()
        else:
            request, self._request = self._request, None
            self._enqueue(request)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _begin_call(self) -> None:
        parser, lane = self.parser, self._lane
        assert parser is not None
        keep_alive = parser.should_keep_alive() and not self._closing
        request = Request(self.url, parser.get_method(), self.since, keep_alive=keep_alive)
        if parser.get_http_version() == "1.0":
            # No chunks before HTTP/1.1: a streamed body ends with its connection.
            request.chunked = False
        self._request = request
        try:
            request.read_headers(self.headers, lane.options.body_bytes_max)
            request.find_door(lane.doors)
        except Refusal as refusal:
            request.refusal = refusal
            if refusal.status == HTTP_TOO_LARGE or request.wants_continue:
                self.refuse("body", refusal.status, refusal.fault)
        else:
            if request.wants_continue and self._serving is None:
                self.transport.write(answer.CONTINUE)

    def _begin_other(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers)
        if self._serving is not None:
            # The parent queues a request behind a response in progress; that response may be one of a call.
            self.cycle = _BUSY
        super().on_headers_complete()
        if self.pipeline:
            self._line.append(self.pipeline.pop())
        else:
            self._serving = self.cycle

    # Requests in order

    def _enqueue(self, request: Request) -> None:
        if self._serving is None:
            self._serve(request)
        else:
            self._line.append(request)
            if len(self._line) >= PIPELINE_MAX:
                self.flow.pause_reading()

    def on_response_complete(self) -> None:
        """The application has answered: go on with the line."""
        super().on_response_complete()
        self._next()

    def _next(self) -> None:
        self._serving = self._pending = self._call = None
        if self.transport.is_closing():
            return
        if not self._line:
            if self._closing:
                self.transport.close()
            return
        waiting = self._line.popleft()
        if len(self._line) < PIPELINE_MAX:
            self.flow.resume_reading()
        if isinstance(waiting, Request):
            self._serve(waiting)
        else:
            self._serving = waiting[0]
            self._start_asgi_task(*waiting)

    def _serve(self, request: Request) -> None:
        self._serving = request
        lane = self._lane
        call_id = lane.next_id()
        try:
            if request.refusal is not None:
                raise request.refusal
            call = request.to_call(call_id, lane.tracer)
        except Refusal as refusal:
            allow = (b"allow: %b\r\n" % refusal.allow,) if refusal.allow else ()
            self._finish(request, lane.problem(refusal.fault, request, call_id, refusal.status, *allow))
            return
        self._call = call
        door = request.door
        assert door is not None
        door.meter.in_flight += 1
        pending = settle(door.service(call))
        self._pending = pending
        pending.then(self._answered)

    def _answered(self, pending: Pending) -> None:
        request, call, lane = self._serving, self._call, self._lane
        assert isinstance(request, Request)
        assert call is not None
        assert request.door is not None
        assert request.plan is not None
        self._pending = None
        reply = pending.reply
        if reply is None:
            fault = pending.fault
            assert fault is not None
            request.door.meter.finished(fault.code, lane.now() - request.arrived_at)
            lane.failed(call, fault)
            self._finish(request, lane.problem(fault, request, call.id))
        elif reply.items is None:
            request.door.meter.finished(None, lane.now() - request.arrived_at)
            body = reply.body
            content_type = request.plan.content_type
            if request.plan.form is not Form.UNARY:
                layout = Layout(request.plan.form)
                body = layout.items([body]) + layout.end()
            elif reply.codec is not request.plan.reply_codec:
                content_type = CONTENT_TYPES[reply.codec]
            self._finish(request, lane.ok(request, call.id, reply, len(body), content_type), body)
        else:
            self._stream = StreamedResponse(lane, request, call, reply, self.transport, self.flow)
            self._stream.start(self._streamed)

    @property
    def idle(self) -> bool:
        """Whether nothing is being received or answered."""
        return self.phase is Phase.IDLE and self._serving is None

    def unread_s(self, now: float) -> float:
        """For how many seconds the client has left what was written to it unread."""
        return now - self._paused_at if self._paused_at else 0.0

    def pause_writing(self) -> None:
        """The client reads more slowly than is written."""
        super().pause_writing()
        self._paused_at = self._lane.now()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        self._paused_at = 0.0

    def _streamed(self, complete: bool) -> None:  # noqa: FBT001 - a callback's one argument
        """A streamed response has ended; one that is not complete takes its connection with it."""
        self._stream = None
        request = self._serving
        if not (complete and isinstance(request, Request) and request.keep_alive and request.chunked):
            self.transport.close()
        self._next()

    def _finish(self, request: Request, head: bytes, body: bytes = b"") -> None:
        transport = self.transport
        if not transport.is_closing():
            if len(body) <= JOIN_BYTES_MAX:
                transport.write(head + body)
            else:
                transport.write(head)
                transport.write(body)
            if not request.keep_alive:
                transport.close()
        self._next()
