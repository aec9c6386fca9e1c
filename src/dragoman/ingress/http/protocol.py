"""The receiving half of a connection: bytes in, requests out, with a lane of its own for calls.

Everything that is not a call goes through the parent class to the ASGI application. A call never becomes a scope, a
task or an event (ADR 0004). A head that has come before, byte for byte, is not even parsed: it is looked up. What it
was the first time, the parser said; a head is remembered only where the parser took exactly the bytes up to its end.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import httptools

from dragoman.core.draft import joined
from dragoman.core.fault import Cancelled, InvalidArgument, Overloaded, PermissionDenied, Unimplemented
from dragoman.ingress.holding import HELD_BYTES_LEAST, RETRY_S, full
from dragoman.ingress.http.answering import Answering
from dragoman.ingress.http.browser import rebound
from dragoman.ingress.http.caller import caller_in
from dragoman.ingress.http.doors import CALL_PREFIX
from dragoman.ingress.http.head import GET, OPTIONS, Head, Refusal, origin_form, too_large, wants_websocket
from dragoman.ingress.http.lines import BodyLines
from dragoman.ingress.http.request import Request
from dragoman.ingress.http.tasks import TASKS_PREFIX
from dragoman.ingress.peer import address_of
from dragoman.wire.handshake import SEGMENT_FROM_BYTES

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from dragoman.core.draft import Draft
    from dragoman.ingress.http.board import Board
    from dragoman.ingress.http.lane import CallLane
    from dragoman.ingress.http.task_socket import TaskSocket
    from dragoman.ingress.http.websocket import SocketCall

CROWD_MAX = 64
"""Connections past the limit that are told why before they are closed; more of them are just closed."""
UPGRADE_HEADERS = frozenset({b"upgrade", b"http2-settings", b"connection"})
HEAD_END = b"\r\n\r\n"
TASKS_BYTES = TASKS_PREFIX.encode()


class Phase(Enum):
    """What is being received: nothing, a head, a body, or what nobody listens to any more."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    DEAF = auto()


def _whole(parts: list[bytes], size: int) -> bytes | Draft:
    """A body of many parts; a large one is put together where its worker reads it."""
    if len(parts) == 1:
        return parts[0]
    return b"".join(parts) if size < SEGMENT_FROM_BYTES else joined(parts)


class _Busy:
    """Stands for a response in progress where the parent class asks whether it may start another."""

    response_complete = False


_BUSY: Any = _Busy()


class CallProtocol(Answering):
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
        super().__init__(config, server_state, app_state, _loop, lane=lane)
        self.phase = Phase.IDLE
        self.since = self._made_at = lane.now()
        self._head: Head | None = None
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._missing_bytes = 0
        self._held_bytes = 0
        self._head_bytes = 0
        self._fed_bytes = 0
        self._begun = 0
        self._upgrading = False
        self._lines: BodyLines | None = None
        self.socket: SocketCall | TaskSocket | None = None
        self.lingering = False

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a connection, unless there are as many as there may be."""
        super().connection_made(transport)
        self.caller = address_of(self.client)
        self.lane.counts.connections += 1
        crowd = len(self.connections) - self.lane.connections_max
        if crowd > CROWD_MAX:
            self.lane.refused("connections")
            transport.abort()
        elif crowd > 0:
            detail = "this host has as many connections as it takes"
            self.refuse(Refusal(Overloaded(detail, retry_after_s=RETRY_S), 503, reason="connections"))
        self.closing = self.lane.draining

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        super().connection_lost(exc)
        self.phase = Phase.DEAF
        self.lane.counts.connections -= 1
        self._cut_input("the client went away")
        self._let_go()
        if self.socket is not None:
            self.socket.cancel("the client went away")

    def shutdown(self) -> None:
        """Close when nothing is in progress; what is half received may still come, and is then refused.

        So may the first request of a connection that has had none: its client could not take an end for an answer.
        """
        fresh = self.since == self._made_at and not self.busy
        if self.socket is not None:
            self.closing = True  # it closes with its call
        elif self.busy or (self.phase in (Phase.IDLE, Phase.DEAF) and not fresh):
            super().shutdown()
        else:
            self.closing = True

    @property
    def feeding(self) -> bool:
        """Whether what is being received is the input of a call in progress, whose deadline bounds it."""
        return self._lines is not None or self.socket is not None

    @property
    def held_back(self) -> bool:
        """Whether nothing is read because a call has not taken what came of its input."""
        reading = self._lines or self.socket
        return reading is not None and reading.paused

    @property
    def idle(self) -> bool:
        """Whether nothing is being received or answered."""
        return self.phase is Phase.IDLE and not self.busy

    def data_received(self, data: bytes) -> None:
        """Find requests in what came."""
        phase = self.phase
        if phase is Phase.IDLE:
            end = data.find(HEAD_END) + 4
            lane = self.lane
            head = lane.heads.get(data[:end])
            if head is not None:
                missing = head.body_bytes + end - len(data)
                if not missing and len(data) <= HELD_BYTES_LEAST:
                    self.since = now = lane.now()
                    self.take(Request(head, data[end:], now))
                    return
                if missing >= 0:
                    self._begin_body(head, data[end:], missing)
                    return
            self._learn(data, end)
        elif self._missing_bytes:
            self._more_body(data)
        elif phase is not Phase.DEAF:
            self._parse(data)

    # Bodies behind heads that were looked up

    def _begin_body(self, head: Head, first: bytes, missing: int) -> None:
        self.phase, self.since = Phase.BODY, self.lane.now()
        self._head = head
        self._body = []
        self._body_bytes = 0
        self._missing_bytes = missing
        if first:
            self.on_body(first)
        if not missing and self.phase is Phase.BODY:
            self.on_message_complete()

    def _more_body(self, data: bytes) -> None:
        missing = self._missing_bytes
        self.on_body(data if len(data) <= missing else data[:missing])
        if self.phase is Phase.DEAF:
            return
        self._missing_bytes = max(missing - len(data), 0)
        if not self._missing_bytes:
            self.on_message_complete()
            if len(data) > missing:
                self.data_received(data[missing:])

    # What the parser finds

    def _learn(self, data: bytes, end: int) -> None:
        """Parse what begins a request, and remember its head if the parser read it as this protocol would."""
        self._begun = 0
        self._head = None
        self._parse(data)
        head = self._parsed()
        if head is not None and self._body_bytes == len(data) - end and head.reusable:
            self.lane.remember(data[:end], head)

    def _parsed(self) -> Head | None:
        """The head that was read since `_begun` was 0, if there was just one, of a call."""
        return self._head if self._begun == 1 else None

    def _parse(self, data: bytes) -> None:
        parser = self.parser
        if self.socket is not None:
            self.socket.feed(data)
            return
        self._fed_bytes = len(data)
        self._head_bytes += self._fed_bytes
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            detail = f"this is not HTTP/1.1 as it should be: {error.__context__ or error}"
            self.refuse(Refusal(InvalidArgument(detail), 400, reason="malformed"))
        else:
            if self.phase is Phase.HEAD and self._head_bytes > self.lane.options.header_bytes_max:
                self._refuse_head()

    def _without_upgrade(self, rest: bytes) -> None:
        """Serve a request as plain HTTP/1.1 that offered something else as well (RFC 9110 §7.8)."""
        method = self.parser.get_method()
        if method == GET and wants_websocket(self.headers) and self._may_be_socket(origin_form(self.url)):
            self._begin_socket(rest)
            return
        if method == b"CONNECT":
            self.refuse(Refusal(Unimplemented("this is no proxy"), 405, reason="method", allow=b"GET, POST"))
            return
        lines = [b"%b %b HTTP/1.1" % (method, self.url)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] not in UPGRADE_HEADERS]
        self.parser = httptools.HttpRequestParser(self)
        self._upgrading = False
        self._parse(b"\r\n".join(lines) + HEAD_END + rest)

    def _may_be_socket(self, url: bytes) -> bool:
        watched = url.startswith(TASKS_BYTES) and url.partition(b"?")[0].endswith(b"/events")
        return url.startswith(CALL_PREFIX) or (watched and self.lane.board is not None)

    def _begin_socket(self, rest: bytes) -> None:
        """Make a call of a WebSocket handshake; what is wrong with it is told as to any other request."""
        self._upgrading = False
        self.phase, self.since = Phase.BODY, self.lane.now()
        if self._head_size() > self.lane.options.header_bytes_max:
            self._refuse_head()
            return
        try:
            self._open_socket()
        except Refusal as refusal:
            if self.socket is not None:
                self.socket = None
                self.serve_socket(None)
            self.refuse(refusal)
            return
        if rest and self.socket is not None:
            self.socket.feed(rest)

    def _open_socket(self) -> None:
        """Answer a handshake, and call or tell of a task. Raises `Refusal`."""
        from dragoman.ingress.http import websocket  # noqa: PLC0415 - 12 ms of wsproto, for the first handshake alone

        lane = self.lane
        self._check_host(GET, "1.1")
        refusal = None
        if lane.draining:
            refusal = Refusal(lane.stopping(), reason="draining")
        elif self.busy:
            refusal = Refusal(
                InvalidArgument("a connection that waits for answers cannot be upgraded"), reason="websocket"
            )
        if refusal is not None:
            raise refusal
        if lane.board is not None and not origin_form(self.url).startswith(CALL_PREFIX):
            self._open_task(lane.board)
            return
        accepted, spoken = websocket.handshake(self.headers)
        head = websocket.head_of(origin_form(self.url), self.headers, lane, spoken)
        self.socket = socket = websocket.SocketCall(lane, head, self.transport, self.flow, self.caller)
        self.serve_socket(socket)
        socket.start(Request(head, b"", self.since, socket), lane.next_id(), accepted, self._end_socket)

    def _open_task(self, board: Board) -> None:
        """Answer a handshake, and tell what becomes of a task. Raises `Refusal`."""
        from dragoman.ingress.http import task_socket, websocket  # noqa: PLC0415 - as above

        target = origin_form(self.url)
        asked = task_socket.asked(target, self.headers)
        accepted, _ = websocket.handshake(self.headers, websocket.SPOKEN[:1])
        self.socket = socket = task_socket.TaskSocket(self.lane, board, self.transport, self.flow)
        self.serve_socket(socket)
        socket.start(accepted, target, asked, self._end_socket)

    def _end_socket(self) -> None:
        """All has been said; the client has a moment to close its side."""
        self.serve_socket(None)
        self.phase, self.since, self.lingering = Phase.DEAF, self.lane.now(), True
        self.hang_up()

    def on_message_begin(self) -> None:
        """Begin a request, with as little as any needs."""
        if self.phase is Phase.DEAF:
            return
        self.phase, self.since, self._head_bytes = Phase.HEAD, self.lane.now(), self._fed_bytes
        self.url = b""
        self.headers = []
        self._head = None
        self._begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are not looked at."""
        if self.phase is Phase.HEAD:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Decide which way the request goes."""
        if self.phase is Phase.DEAF:
            return
        parser, lane, options = self.parser, self.lane, self.lane.options
        if parser.should_upgrade():
            self._upgrading = True
            return
        if self._head_bytes > options.header_bytes_max and self._head_size() > options.header_bytes_max:
            self._refuse_head()
            return
        self.phase, self.since = Phase.BODY, lane.now()
        self._body, self._body_bytes = [], 0
        version, method = parser.get_http_version(), parser.get_method()
        try:
            self._check_host(method, version)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        self.url = url = origin_form(self.url)
        if url.startswith(CALL_PREFIX) or (method == OPTIONS and url == b"*"):
            self._begin_call(method, version)
        else:
            self._begin_other()

    def _check_host(self, method: bytes, version: str) -> None:
        """Look at whom the request names. Raises `Refusal`."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and version == "1.1"):
            detail = f"a request must have one Host header (RFC 9112 §3.2); this one has {hosts or 'none'}"
            raise Refusal(InvalidArgument(detail), 400, reason="malformed")
        port = self.lane.loopback_port
        if port and rebound(method, self.headers, port):
            detail = "a page may not reach this host by a name of its own; use localhost"
            raise Refusal(PermissionDenied(detail), reason="foreign")

    def on_body(self, body: bytes) -> None:
        """Gather the body of a call, up to its limit."""
        if self.phase is Phase.DEAF:
            return
        if self._lines is not None:
            self._lines.feed(body)
            return
        self._body_bytes += len(body)
        limit = self.lane.options.body_bytes_max
        if self._body_bytes > limit:
            self.refuse(too_large(limit))
        elif self._head is None:
            super().on_body(body)
        else:
            self._body.append(body)
            if self._body_bytes > HELD_BYTES_LEAST:
                self._hold()

    def _hold(self) -> None:
        """Count a large body among those that this host holds for all of its connections."""
        lane = self.lane
        lane.held_bytes += self._body_bytes - self._held_bytes
        self._held_bytes = self._body_bytes
        if lane.held_bytes > lane.held_bytes_max:
            self.refuse(Refusal(full(), reason="bodies"))

    def _let_go(self) -> None:
        """Forget a body that has not come in whole."""
        self.lane.held_bytes -= self._held_bytes
        self._held_bytes = self._missing_bytes = 0
        self._body = []

    def on_message_complete(self) -> None:
        """Serve the request, or have it wait for those before it."""
        if self.phase is Phase.DEAF or self._upgrading:
            return
        head = self._head
        self.phase, self.since = Phase.IDLE, self.lane.now()
        lines, self._lines = self._lines, None
        if lines is not None:
            if head is not None and not head.keep_alive:
                self.phase = Phase.DEAF
            lines.end()
            return
        if head is None:
            if not self.parser.should_keep_alive():
                self.phase = Phase.DEAF
            super().on_message_complete()
            return
        if not head.keep_alive:
            self.phase = Phase.DEAF
        body, self._body = self._body, []
        # What is held goes on to the request, which lets go of it when it has been answered.
        self._held_bytes = 0
        self.take(Request(head, _whole(body, self._body_bytes), self.since))

    def _begin_call(self, method: bytes, version: str) -> None:
        lane = self.lane
        modern = version != "1.0"
        keep_alive = modern and self.parser.should_keep_alive()
        self._head = head = Head(method, self.url, keep_alive=keep_alive, chunked=modern)
        head.read(self.headers, lane.doors, lane.options.body_bytes_max)
        if lane.caller_header:
            head.caller = caller_in(self.headers, lane.caller_header)
        refusal = head.refusal
        if refusal is not None and (head.wants_continue or head.body_bytes > lane.options.body_bytes_max):
            self.refuse(refusal)
            return
        if head.wants_continue and head.chunked:
            self.take_continue()
        if head.feeds and refusal is None:
            self._lines = lines = BodyLines(lane, self._pause_input)
            self.take(Request(head, b"", self.since, lines))

    def _pause_input(self, paused: bool) -> None:  # noqa: FBT001 - what it is told
        if paused:
            self.flow.pause_reading()
        elif not self.transport.is_closing():
            self.flow.resume_reading()

    def _cut_input(self, why: str) -> None:
        """Take no more of an input that is coming in."""
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.end(Cancelled(why))

    def _begin_other(self) -> None:
        url, headers = self.url, self.headers
        self._head = None
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers)
        self.expect_100_continue = any(name == b"expect" for name, _ in headers)
        if self.busy:
            # The parent queues a request behind a response in progress; that response may be one of a call.
            self.cycle = _BUSY
        super().on_headers_complete()
        if self.pipeline:
            self.take_waiting_cycle(self.pipeline.pop())
        else:
            self.take_cycle(self.cycle)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    # Refusals

    def refuse(self, refusal: Refusal) -> None:
        """Answer what has come so far with a fault, hear nothing more, and close."""
        if self.phase is Phase.DEAF:
            return  # one answer is enough, whatever else is wrong
        known = self._head
        head = Head(known.method, known.path, keep_alive=False) if known else Head(b"", b"", keep_alive=False)
        head.refusal = refusal
        self._cut_input(refusal.fault.detail)
        self._let_go()
        self.phase, self.since, self.lingering = Phase.DEAF, self.lane.now(), True
        self.take(Request(head, b"", self.since))

    def hang_up(self) -> None:
        """Close after what has been written, at once where the client has sent all that it will.

        A socket closed with bytes unread resets its connection, and the client may lose the answer that told it to
        stop sending. So after a refusal, or an answer that came before the input's end, only this side ends, and what
        still comes is dropped for a moment.
        """
        if self._lines is not None:
            self._cut_input("the call was answered before the end of its input")
            self.phase, self.since, self.lingering = Phase.DEAF, self.lane.now(), True
        if self.transport.is_closing():
            return
        if self.lingering and self.transport.can_write_eof():
            self.since = self.lane.now()
            self.transport.write_eof()
        else:
            super().hang_up()

    def _refuse_head(self) -> None:
        limit = self.lane.options.header_bytes_max
        fault = InvalidArgument(f"a request's head may have {limit} bytes here")
        self.refuse(Refusal(fault, 431, reason="headers"))
