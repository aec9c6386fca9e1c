"""Handshakes: who may open a WebSocket, and in what; and when a client counts as gone, by a clock that stands still."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.fault import Cancelled, Fault, NotFound
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.ingress.http.doors import Door, Doors
from dragoman.ingress.http.head import Refusal, wants_websocket
from dragoman.ingress.http.lane import CallLane
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.http.presence import PING_S, QUIET_S_MAX
from dragoman.ingress.http.protocol import CallProtocol
from dragoman.ingress.http.sweep import look_at
from dragoman.ingress.http.websocket import handshake
from dragoman.ingress.listener import Naming
from dragoman.telemetry.metrics import IngressMeter, Meter
from dragoman.telemetry.trace import Tracer
from dragoman.testing import ManualClock
from dragoman.wire.websocket import WebSocket

HEADERS = [
    (b"host", b"api.example:8700"),
    (b"upgrade", b"WebSocket"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]


def test_an_upgrade_to_another_protocol_is_none() -> None:
    assert wants_websocket(HEADERS)
    assert not wants_websocket([(b"upgrade", b"h2c")])


@pytest.mark.parametrize(
    ("offered", "spoken"),
    [
        (b"", ""),
        (b"dragoman.json", "dragoman.json"),
        (b"x, dragoman.msgpack,dragoman.json", "dragoman.msgpack"),
    ],
)
def test_the_first_subprotocol_that_is_known_is_spoken(offered: bytes, spoken: str) -> None:
    lines, found = handshake([*HEADERS, (b"sec-websocket-protocol", offered)] if offered else HEADERS)
    assert found == spoken
    assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in lines
    assert (b"sec-websocket-protocol" in lines) is bool(spoken)


@pytest.mark.parametrize("origin", [b"http://api.example:8700", b"https://API.example:8700"])
def test_a_page_of_this_host_may_open_one(origin: bytes) -> None:
    _, spoken = handshake([*HEADERS, (b"origin", origin)])
    assert spoken == ""


@pytest.mark.parametrize(
    ("header", "status", "reason"),
    [
        ((b"origin", b"http://api.example"), 0, "foreign"),
        ((b"origin", b"null"), 0, "foreign"),
        ((b"origin", b"http://evil.example:8700"), 0, "foreign"),
        ((b"sec-websocket-version", b"8"), 426, "websocket"),
        ((b"sec-websocket-key", b"short"), 0, "websocket"),
        ((b"sec-websocket-protocol", b"soap"), 0, "websocket"),
    ],
)
def test_any_other_handshake_is_refused(header: tuple[bytes, bytes], status: int, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        handshake([*HEADERS, header])
    assert (refused.value.status, refused.value.reason) == (status, reason)


TURNS = 8
"""Turns of the loop after which everything that needs no waiting has been done."""
OPENING = b"GET /v1/call/fn.held HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % each for each in HEADERS)
PING, PONG = b"\x89\x00", 0x8A


class Silent:
    """Counts, and fails on nothing."""

    counts = IngressMeter()

    def failed(self, call: Call, fault: Fault) -> None:
        """Leave it."""


class Seat:
    """A client, connected for one call that is answered when the test says so, and the clock that its host goes by."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.meter = Meter()
        self.pending = Pending()
        self.cancelled = False
        self.errors: list[Any] = []
        self.client = WebSocket(client=True, message_bytes_max=1000)
        self.pending.on_cancel = self._cancel
        doors = Doors(NotFound)
        target = Target("fn.held", "fn", "held", 0, 1e6, input_stream="values")
        doors.replace({"fn.held": Door(target, lambda _: self.pending, self.meter, {})})
        naming = Naming("s", "00000000", count(1).__next__)
        self.lane = CallLane(doors, HttpOptions(), Tracer(bytes), self.clock, naming, Silent())
        self.protocol: CallProtocol
        self.transport: asyncio.Transport
        self.sock: socket.socket

    def _cancel(self) -> None:
        self.cancelled = True
        self.pending.fail(Cancelled("the caller left"))

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(0)
        config = Config(self._app, ws="none", lifespan="off", log_config=None, interface="asgi3")
        config.load()
        self.transport, self.protocol = await loop.connect_accepted_socket(
            lambda: CallProtocol(config, ServerState(), {}, loop, lane=self.lane), theirs
        )
        self.protocol.data_received(OPENING + b"connection: Upgrade\r\n\r\n")
        assert (await self.heard()).startswith(b"HTTP/1.1 101 ")

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("an upgraded connection is nothing but its call")

    def say(self) -> None:
        self.protocol.data_received(self.client.take())

    async def later(self, seconds: float) -> bytes:
        """What the client hears after so many seconds, in which the host has looked once."""
        self.clock.advance(seconds)
        look_at(self.protocol, self.lane, self.lane.now())
        return await self.heard()

    async def heard(self) -> bytes:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        try:
            return self.sock.recv(65536)
        except BlockingIOError:
            return b""


@pytest.fixture
async def seat() -> AsyncIterator[Seat]:
    made = Seat()
    await made.connect()
    yield made
    made.transport.abort()
    for _ in range(TURNS):
        await asyncio.sleep(0)
    made.sock.close()
    assert not made.errors
    assert made.meter.in_flight == 0


async def test_a_silent_client_is_asked_whether_it_is_there_again_and_again_and_stays_while_it_answers(
    seat: Seat,
) -> None:
    assert await seat.later(PING_S) == b""
    for _ in range(5):
        asked = await seat.later(PING_S + 1)
        assert asked == PING
        assert await seat.later(1) == b""
        seat.client.receive(asked)
        assert seat.client.take()[0] == PONG
        seat.client.ping()
        seat.say()
        assert (await seat.heard())[0] == PONG
    assert not seat.cancelled


async def test_a_client_that_answers_no_ping_is_cut_off_and_its_call_cancelled(seat: Seat) -> None:
    asked = [await seat.later(1) for _ in range(int(QUIET_S_MAX))]
    assert asked.count(PING) == 2
    assert set(asked) == {PING, b""}
    assert not seat.cancelled
    assert not seat.transport.is_closing()
    await seat.later(1)
    assert seat.cancelled
    assert seat.transport.is_closing()


async def test_a_client_that_talks_is_asked_nothing(seat: Seat) -> None:
    for number in range(10):
        seat.client.send(b"%d" % number, text=True)
        seat.say()
        assert await seat.later(PING_S) == b""
    assert not seat.cancelled


async def test_a_client_whose_messages_are_not_taken_yet_is_not_cut_off(seat: Seat) -> None:
    while not seat.protocol.flow.read_paused:
        seat.client.send(b"x" * 900, text=True)
        seat.say()
    assert await seat.later(10 * QUIET_S_MAX) == b""
    assert not seat.transport.is_closing()


async def test_a_call_that_is_answered_after_its_client_broke_a_rule_is_counted_once(seat: Seat) -> None:
    seat.pending.on_cancel = lambda: None
    seat.client.send(b"", text=True)
    seat.client.send(b"late", text=True)
    seat.say()
    assert seat.meter.in_flight == 0
    seat.pending.resolve(Reply(b"1", Codec.JSON))
    assert seat.meter.in_flight == 0
    assert seat.meter.ok == 0
