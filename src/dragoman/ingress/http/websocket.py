"""Calls over WebSocket: messages are the items of the call's input stream, and those of its reply.

Everything else of the call is where HTTP has it: the function in the path, the rest of the input in the query, the
timeout and the trace in headers. An empty message ends the input. The reply's end is the close: 1000, or 4000 and the
number of the fault's gRPC code, behind a message with the problem.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dragoman.core.call import Codec
from dragoman.core.fault import Cancelled, Code, Fault, InvalidArgument, Started, Unimplemented
from dragoman.core.inflow import InputStream
from dragoman.core.items import batches, close_stream
from dragoman.core.service import Pending, settle
from dragoman.ingress.holding import HELD_BYTES_LEAST, full
from dragoman.ingress.http.caller import caller_in
from dragoman.ingress.http.head import POST, Head, Refusal
from dragoman.ingress.http.later import WISHES
from dragoman.ingress.http.lines import AHEAD_BYTES
from dragoman.ingress.http.negotiation import JSONL
from dragoman.ingress.http.negotiation import MSGPACK as MSGPACK_TYPE
from dragoman.ingress.http.presence import Presence
from dragoman.wire import websocket
from dragoman.wire.websocket import Closed, Message, WebSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.protocols.http.flow_control import FlowControl

    from dragoman.core.call import Call, Reply
    from dragoman.ingress.http.lane import CallLane
    from dragoman.ingress.http.request import Request

ITEM_BYTES_LEAST = 256
"""What an item counts at least while it waits: small ones cost memory too."""
_OWN = WISHES | {b"upgrade", b"connection", b"content-type", b"content-length", b"transfer-encoding", b"accept"}
_VERSION = b"13"
_KEY_CHARACTERS = 24
NUMBERS = {code: number for number, code in enumerate((
    Code.CANCELLED, Code.UNKNOWN, Code.INVALID_ARGUMENT, Code.DEADLINE_EXCEEDED, Code.NOT_FOUND, Code.ALREADY_EXISTS,
    Code.PERMISSION_DENIED, Code.RESOURCE_EXHAUSTED, Code.FAILED_PRECONDITION, Code.ABORTED, Code.OUT_OF_RANGE,
    Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS, Code.UNAUTHENTICATED,
), 1)}  # fmt: skip
SPOKEN = (websocket.JSON, websocket.MSGPACK)


def handshake(headers: list[tuple[bytes, bytes]], speaks: tuple[str, ...] = SPOKEN) -> tuple[bytes, str]:
    """The answer to a client's handshake, and the subprotocol. Raises `Refusal` for one that is not as it should be."""
    found = {name: value.strip() for name, value in headers}
    origin, host = found.get(b"origin", b"").lower(), found.get(b"host", b"").lower()
    if origin and origin.partition(b"://")[2] != host:
        # Browsers let every page open WebSockets to every host, and leave it to the host to look (§10.2).
        detail = "a page of another site may not call functions here"
        raise Refusal(Fault.of(Code.PERMISSION_DENIED, detail, started=Started.NO), reason="foreign")
    key, version = found.get(b"sec-websocket-key", b""), found.get(b"sec-websocket-version", b"")
    if version != _VERSION:
        detail = "WebSocket is spoken here in version 13 only (RFC 6455)"
        raise Refusal(InvalidArgument(detail), 426, reason="websocket")
    if len(key) != _KEY_CHARACTERS:
        raise Refusal(InvalidArgument("Sec-WebSocket-Key must be 16 bytes in base64"), reason="websocket")
    offered = [each.strip().decode("latin-1") for each in found.get(b"sec-websocket-protocol", b"").split(b",")]
    spoken = next((each for each in offered if each in speaks), "")
    if not spoken and offered != [""]:
        detail = f"the subprotocols spoken here are {' and '.join(speaks)}"
        raise Refusal(InvalidArgument(detail), reason="websocket")
    lines = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    lines += b"sec-websocket-accept: %b\r\n" % websocket.accept(key)
    lines += b"sec-websocket-protocol: %b\r\n" % spoken.encode() if spoken else b""
    return lines, spoken


def head_of(path: bytes, headers: list[tuple[bytes, bytes]], lane: CallLane, spoken: str) -> Head:
    """The head of the call that a handshake asks for, as a POST would. Raises its `Refusal`."""
    plain = [each for each in headers if each[0] not in _OWN and not each[0].startswith(b"sec-websocket-")]
    plain.append((b"accept", MSGPACK_TYPE if spoken == websocket.MSGPACK else JSONL))
    limit = lane.options.body_bytes_max
    head = Head(POST, path, keep_alive=False)
    head.read(plain, lane.doors, limit)
    if head.door is not None and head.door.target.input_stream:
        head = Head(POST, path, keep_alive=False)
        head.read([*plain, (b"content-type", JSONL)], lane.doors, limit)
    if head.refusal is not None:
        raise head.refusal
    if lane.caller_header:
        head.caller = caller_in(plain, lane.caller_header)
    return head


class SocketCall:
    """One call, on a connection that is a WebSocket from now on."""

    whole = True

    def end(self, fault: Fault | None = None) -> None:
        """Take no more of the input."""
        self.items.end(fault)

    def __init__(
        self, lane: CallLane, head: Head, transport: asyncio.Transport, flow: FlowControl, caller: str
    ) -> None:
        """`caller` is who is at the other end of the connection."""
        self._lane = lane
        self._caller = head.caller or caller
        self._head = head
        self._transport = transport
        self._flow = flow
        self._socket = WebSocket(client=False, message_bytes_max=lane.options.body_bytes_max)
        self.items = InputStream(self._took)
        self._ahead_bytes = 0
        self._fed = False
        self._presence = Presence(lane.now())
        self._call: Call | None = None
        self._pending: Pending | None = None
        self._task: asyncio.Task[None] | None = None
        self._over = self._entered = self._left = False
        self._held_bytes = 0
        self.paused = False
        self._done: Callable[[], None] = lambda: None

    def start(self, request: Request, call_id: int, handshake: bytes, done: Callable[[], None]) -> None:
        """Accept, and call. `done` is told once there is nothing more to say. Raises `Refusal` before it accepts."""
        lane, door = self._lane, self._head.door
        assert door is not None, "a head without a refusal has a door"
        call = request.to_call(call_id, lane.tracer)
        call.caller = self._caller
        if not self._head.feeds:
            call.input = None
            self._fed = True
        self._call, self._done = call, done
        self._transport.write(b"%bdragoman-call-id: %b%08x\r\n\r\n" % (handshake, lane.prefix, call_id))
        door.meter.in_flight += 1
        try:
            coming = door.service(call)
            pending = coming if isinstance(coming, Pending) else settle(coming)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, the caller gets an answer
            pending = Pending.failed(Fault.internal(f"the host failed to run the call: {error!r}"))
        self._pending = pending
        pending.then(self._answered)

    # From the client

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._presence.heard(self._lane.now())
        for event in self._socket.receive(data):
            if isinstance(event, Closed):
                self.cancel(f"the client closed: {event.code} {event.reason}".rstrip())
                self._write()
                self._transport.close()
                return
            self._take(event)
        self._hold()
        if not self._flow.write_paused:
            self._write()
        else:
            self._socket.take()  # pongs to a client that does not read

    def _take(self, message: Message) -> None:
        if self._over:
            return
        if not message.body and not self._fed:
            self._fed = True
            self.items.end()
        elif self._fed:
            call = self._call
            name = call.target.name if call else "the function"
            takes = "has ended its input" if self._head.feeds else "takes no input stream"
            self._fail(Unimplemented(f"{name} {takes}, and a message came", started=Started.UNKNOWN))
        else:
            self._ahead_bytes += max(len(message.body), ITEM_BYTES_LEAST)
            self.items.push(Codec.JSON if message.text else Codec.MSGPACK, message.body)
            if self._ahead_bytes > AHEAD_BYTES and not self.paused:
                self.paused = True
                self._flow.pause_reading()

    def _hold(self) -> None:
        """Count what is kept of the input among the bodies that this host holds for all of its connections."""
        lane = self._lane
        size = 0 if self._over else self._ahead_bytes + self._socket.partial_bytes
        size = size if size > HELD_BYTES_LEAST else 0
        lane.held_bytes += size - self._held_bytes
        self._held_bytes = size
        if size and lane.held_bytes > lane.held_bytes_max:
            self._fail(full())

    def _took(self, size: int) -> None:
        self._ahead_bytes -= max(size, ITEM_BYTES_LEAST)
        if self._held_bytes:
            self._hold()
        if self.paused and self._ahead_bytes * 2 <= AHEAD_BYTES:
            self._resume()

    def _resume(self) -> None:
        self.paused = False
        if not self._transport.is_closing():
            self._flow.resume_reading()

    def tick(self, now: float) -> None:
        """Look whether the client is still there; wants to be called every second."""
        presence = self._presence
        if self.paused or self._over:
            presence.heard(now)
        elif presence.gone(now):
            self.cancel("the client answers no ping")
            self._transport.abort()
        elif not self._flow.write_paused and presence.asks(now):
            self._socket.ping()
            self._write()

    def cancel(self, why: str) -> None:
        """Nobody wants the reply any more."""
        self.items.end(Cancelled(why))
        self._left = True
        if self._task is not None:
            # One that is cancelled before its first step never takes one, and nobody would end the stream.
            if self._entered:
                self._task.cancel()
        elif self._pending is not None:
            self._pending.cancel()
        if self.paused:
            self._resume()

    # From the function

    def _answered(self, pending: Pending) -> None:
        self._pending = None
        reply = pending.reply
        if reply is None:
            assert pending.fault is not None, "a settled call has a reply or a fault"
            self._fail(pending.fault)
        elif reply.items is None:
            self._send(bytes(reply.body), reply.codec)
            self._end(None)
        else:
            self._task = asyncio.get_running_loop().create_task(self._stream(reply))

    async def _stream(self, reply: Reply) -> None:
        stream, fault = reply.items, None
        assert stream is not None, "a streamed reply has items"
        self._entered = True
        try:
            if self._left:
                raise asyncio.CancelledError  # noqa: TRY301 - the same end as any time later
            async for batch in batches(stream):
                for item in batch:
                    self._send(item, reply.codec)
                if self._flow.write_paused:
                    await self._flow.drain()
        except Fault as raised:
            fault = raised
        except asyncio.CancelledError:
            fault = Cancelled("the client went away")
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, the connection must end
            fault = Fault.internal(f"the host failed to pass the stream on: {error!r}")
        fault = await close_stream(stream, fault)
        self._task = None
        if fault is None:
            self._end(None)
        else:
            self._fail(fault)

    def _send(self, body: bytes, codec: Codec) -> None:
        if not self._over:
            self._socket.send(body, text=codec is Codec.JSON)
            self._write()

    def _fail(self, fault: Fault) -> None:
        if self._over:
            return
        lane, call = self._lane, self._call
        assert call is not None, "what fails has begun"
        lane.failed(call, fault)
        document = lane.document(fault, self._head, call.id, call.trace)
        self._socket.send(b'{"problem":' + document + b"}", text=True)
        self._end(fault)

    def _end(self, fault: Fault | None) -> None:
        """Close, and count the call; once, though a call that broke a rule may still be answered."""
        if self._over:
            return
        call, door = self._call, self._head.door
        assert call is not None, "what ends has begun"
        assert door is not None, "what became a call has a door"
        self._over = True
        self._hold()
        door.meter.finished(None if fault is None else fault.code, self._lane.now() - call.arrived_at)
        if fault is None:
            self._socket.close(websocket.OK)
        else:
            self._socket.close(websocket.FAULT_BASE + NUMBERS[fault.code], fault.detail)
        self._write()
        self.cancel("the call was answered before the end of its input")
        self._done()

    def _write(self) -> None:
        data = self._socket.take()
        if data and not self._transport.is_closing():
            self._transport.write(data)
