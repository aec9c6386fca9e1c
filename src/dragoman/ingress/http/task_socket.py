"""What becomes of a task, over WebSocket: the same events as `text/event-stream` has, each a text of JSON.

`{"id": 7, "event": "state", "data": {…}}`, to the end of the task, then a close with 1000. What fails is a last message
`{"problem": …}` and a close with 4000 and the number of its gRPC code; a host that stops closes with 1001.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dragoman.core.fault import Fault
from dragoman.ingress.http.asking import behind, task_id
from dragoman.ingress.http.documents import to_json
from dragoman.ingress.http.head import GET, Head, Refusal
from dragoman.ingress.http.presence import Presence
from dragoman.ingress.http.tasks import TASKS_PREFIX, is_over
from dragoman.ingress.http.websocket import NUMBERS
from dragoman.wire import websocket
from dragoman.wire.websocket import Closed, WebSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.protocols.http.flow_control import FlowControl

    from dragoman.ingress.http.board import Board
    from dragoman.ingress.http.feed import Event, Watcher
    from dragoman.ingress.http.lane import CallLane

MESSAGE_BYTES_MAX = 4096
"""A client has nothing to say here; what it says is passed over."""


def asked(target: bytes, headers: list[tuple[bytes, bytes]]) -> tuple[str, int]:
    """The task, and where to go on, that a handshake asks for. Raises `Refusal`."""
    path, _, query = target.decode("latin-1").partition("?")
    last = next((value.decode("latin-1") for name, value in headers if name == b"last-event-id"), "")
    try:
        return task_id(unquote(path.removeprefix(TASKS_PREFIX).removesuffix("/events"))), behind(query, last)
    except Fault as fault:
        raise Refusal(fault, reason="tasks") from None


class TaskSocket:
    """One task, on a connection that is a WebSocket from now on."""

    paused = False

    def __init__(self, lane: CallLane, board: Board, transport: asyncio.Transport, flow: FlowControl) -> None:
        self._lane = lane
        self._board = board
        self._transport = transport
        self._flow = flow
        self._socket = WebSocket(client=False, message_bytes_max=MESSAGE_BYTES_MAX)
        self._presence = Presence(lane.now())
        self._watcher: Watcher | None = None
        self._task: asyncio.Task[None] | None = None
        self._left = False

    def start(self, handshake: bytes, target: bytes, asked: tuple[str, int], done: Callable[[], None]) -> None:
        """Accept, and tell of the task. `done` is told once there is nothing more to say."""
        self._transport.write(handshake + b"\r\n")
        self._task = asyncio.get_running_loop().create_task(self._run(target, asked, done))

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._presence.heard(self._lane.now())
        closed = [event for event in self._socket.receive(data) if isinstance(event, Closed)]
        if self._flow.write_paused:
            self._socket.take()  # pongs to a client that does not read
        self._write()
        if closed:
            self.cancel("the client closed")
            self._transport.close()

    def tick(self, now: float) -> None:
        """Look whether the client is still there; wants to be called every second."""
        if self._presence.gone(now):
            self.cancel("the client answers no ping")
            self._transport.abort()
        elif not self._flow.write_paused and self._presence.asks(now):
            self._socket.ping()
            self._write()

    def cancel(self, _why: str) -> None:
        """Nobody wants to hear more."""
        self._left = True
        if self._watcher is not None:
            self._watcher.stop()

    async def _run(self, target: bytes, asked: tuple[str, int], done: Callable[[], None]) -> None:
        over, fault = False, None
        try:
            with self._board.watch(*asked) as self._watcher:
                if self._left:
                    self._watcher.stop()
                while (events := await self._watcher.next(None)) is not None:
                    over = any(kind == "state" and is_over(data) for _, kind, data in events)
                    await self._tell(events)
        except Fault as raised:
            fault = raised
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, the connection must end
            fault = Fault.internal(f"the host failed to tell of the task: {error!r}")
        if fault is not None:
            self._fail(fault, target)
        elif over:
            self._socket.close(websocket.OK)
        else:
            self._socket.close(websocket.AWAY, "the host is stopping")
        self._write()
        done()

    async def _tell(self, events: list[Event]) -> None:
        for seq, kind, data in events:
            self._socket.send(to_json({"id": seq, "event": kind, "data": data}), text=True)
            self._write()
            if self._flow.write_paused:
                await self._flow.drain()

    def _fail(self, fault: Fault, target: bytes) -> None:
        head = Head(GET, target.partition(b"?")[0], keep_alive=False)
        document = self._lane.document(fault, head, self._lane.next_id(), None)
        self._socket.send(b'{"problem":' + document + b"}", text=True)
        self._socket.close(websocket.FAULT_BASE + NUMBERS[fault.code], fault.detail)

    def _write(self) -> None:
        data = self._socket.take()
        if data and not self._transport.is_closing():
            self._transport.write(data)
