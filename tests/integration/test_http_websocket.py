"""Calls over WebSocket, on real sockets: both ways, bounded, and ended by whoever leaves."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from dragoman.wire.websocket import Closed, Event, Message, WebSocket
from tests.integration.web import TIMEOUT_S, Web, eventually, serving

SOURCE = """
import os, time
from collections.abc import AsyncIterator, Iterator

def doubled(values: Iterator[int]) -> Iterator[int]:
    for value in values:
        yield value * 2

def total(values: Iterator[int], scale: int = 1) -> int:
    return sum(values) * scale

def first(values: Iterator[int]) -> int:
    return next(values)

def size(parts: Iterator[bytes]) -> int:
    return sum(map(len, parts))

def count(n: int) -> Iterator[int]:
    yield from range(n)

def flood() -> Iterator[str]:
    while True:
        yield "x" * 1000

def slowly(values: Iterator[str], marker: str) -> int:
    next(values)
    try:
        time.sleep(60)
    finally:
        open(marker, "w").close()

def waits(values: Iterator[str], marker: str) -> int:
    while not os.path.exists(marker):
        time.sleep(0.01)
    return sum(len(value) for value in values)
"""
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    path = tmp_path_factory.mktemp("websocket") / "s.py"
    path.write_text(SOURCE)
    with serving(path) as served:
        yield served


class Client:
    """A WebSocket as a test sees it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.socket = WebSocket(client=True, message_bytes_max=1 << 24)
        self.events: list[Event] = []

    def send(self, value: object) -> None:
        self.socket.send(b"" if value is None else json.dumps(value).encode(), text=True)
        self.sock.sendall(self.socket.take())

    def event(self) -> Event:
        while not self.events:
            data = self.sock.recv(65536)
            assert data, "the host closed without a word"
            self.events += self.socket.receive(data)
        return self.events.pop(0)

    def value(self) -> object:
        event = self.event()
        assert isinstance(event, Message)
        assert event.text
        return json.loads(event.body)

    def closed(self) -> int:
        event = self.event()
        assert isinstance(event, Closed)
        return event.code


def ask(web: Web, function: str, *lines: str, key: str = KEY) -> tuple[socket.socket, bytes, bytes]:
    """A handshake; the head of the answer, and what came behind it."""
    sock = web.connect()
    basic = ["Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    head = "\r\n".join([f"GET /v1/call/s.{function} HTTP/1.1", *basic, f"Sec-WebSocket-Key: {key}", *lines])
    sock.sendall(f"{head}\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        assert more
        data += more
    answer, _, rest = data.partition(b"\r\n\r\n")
    return sock, answer, rest


@contextlib.contextmanager
def opened(web: Web, function: str, *lines: str) -> Generator[Client]:
    sock, answer, rest = ask(web, function, *lines)
    with sock:
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
        assert b"dragoman-call-id: " in answer
        client = Client(sock)
        client.events += client.socket.receive(rest)
        yield client


def test_items_go_and_come_at_once(web: Web) -> None:
    with opened(web, "doubled") as client:
        for number in (1, 2**70, -3):
            client.send(number)
            assert client.value() == 2 * number
        client.send(None)
        assert client.closed() == 1000


def test_a_function_that_answers_once_has_its_other_parameters_in_the_query(web: Web) -> None:
    with opened(web, "total?scale=10") as client:
        for number in range(4):
            client.send(number)
        client.send(None)
        assert client.value() == 60
        assert client.closed() == 1000


def test_an_answer_before_the_end_of_the_input_ends_the_call(web: Web) -> None:
    with opened(web, "first") as client:
        client.send(7)
        assert client.value() == 7
        assert client.closed() == 1000


def test_a_function_without_an_input_stream_streams_too(web: Web) -> None:
    with opened(web, "count?n=3") as client:
        assert [client.value() for _ in range(3)] == [0, 1, 2]
        assert client.closed() == 1000


def test_messages_are_messagepack_where_that_was_agreed(web: Web) -> None:
    sock, answer, rest = ask(web, "doubled", "Sec-WebSocket-Protocol: other, dragoman.msgpack")
    with sock:
        assert b"sec-websocket-protocol: dragoman.msgpack" in answer
        client = Client(sock)
        client.socket.send(b"\x07", text=False)
        client.sock.sendall(client.socket.take())
        client.events += client.socket.receive(rest)
        assert client.event() == Message(b"\x0e", text=False)


def test_an_item_that_breaks_the_contract_ends_the_call_with_its_place(web: Web) -> None:
    with opened(web, "doubled") as client:
        client.send(1)
        assert client.value() == 2
        client.send("two")
        problem = client.value()
        assert isinstance(problem, dict)
        assert problem["problem"]["errors"][0]["path"] == "/values/1"
        assert client.closed() == 4003


@pytest.mark.parametrize(
    ("function", "lines", "status", "said"),
    [
        ("nothing", (), 404, b"NOT_FOUND"),
        ("count?n=x", (), 400, b"/n"),
        ("doubled", ("Origin: http://evil.example",), 403, b"another site"),
        ("doubled", ("Origin: http://localhost:1",), 403, b"another site"),
        ("doubled", ("Sec-Fetch-Site: cross-site",), 403, b"another site"),
        ("doubled", ("Sec-WebSocket-Protocol: soap",), 400, b"the subprotocols spoken here"),
        ("doubled", ("Dragoman-Timeout: never",), 400, b"Dragoman-Timeout"),
        ("doubled", ("Host: other",), 400, b"one Host header"),
    ],
)
def test_a_handshake_that_cannot_be_is_refused_as_any_request(
    web: Web, function: str, lines: tuple[str, ...], status: int, said: bytes
) -> None:
    sock, answer, rest = ask(web, function, *lines)
    with sock:
        while more := sock.recv(65536):
            rest += more
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert said in rest


def test_a_page_of_this_host_may_call(web: Web) -> None:
    with opened(web, "total", "Origin: http://localhost") as client:
        client.send(None)
        assert client.value() == 0


def test_the_deadline_ends_a_call(web: Web) -> None:
    with opened(web, "total", "Dragoman-Timeout: 200ms") as client:
        problem = client.value()
        assert isinstance(problem, dict)
        assert problem["problem"]["code"] == "DEADLINE_EXCEEDED"
        assert client.closed() == 4004


@pytest.mark.parametrize("politely", [True, False])
def test_a_client_that_leaves_cancels_its_call(web: Web, tmp_path: Path, politely: bool) -> None:  # noqa: FBT001 - a case
    marker = tmp_path / "ended"
    with opened(web, f"slowly?marker={marker}") as client:
        client.send("go")
        if politely:
            client.socket.close(1001)
            client.sock.sendall(client.socket.take())
            assert client.sock.recv(1024)
    eventually(marker.exists)


def test_messages_past_the_end_of_the_input_and_to_functions_that_take_none_are_faults(web: Web) -> None:
    with opened(web, f"waits?marker={os.devnull}x") as client:
        client.send(None)
        client.send(1)
        assert isinstance(client.event(), Message)
        assert client.closed() == 4012
    with opened(web, "flood") as client:
        client.send(1)
        event = client.event()
        while isinstance(event, Message):
            event = client.event()
        assert event.code == 4012


def test_what_is_no_websocket_frame_closes_the_connection(web: Web) -> None:
    for data, code in ((b"\xff\xff\xff\xff", 1002), (b"\x81\x01a", 1002), (b"\x81\x81\0\0\0\0\xff", 1007)):
        with opened(web, "doubled") as client:
            client.sock.sendall(data)
            assert client.closed() == code


def test_a_message_has_a_bound(web: Web) -> None:
    with opened(web, "size") as client:
        client.sock.sendall(b"\x82\xff" + (2**40).to_bytes(8) + b"\0\0\0\0")
        chunk = bytes(1 << 20)
        with contextlib.suppress(OSError):
            for _ in range(64):
                client.sock.sendall(chunk)
        assert web.call("x").status == 404, "the host lives"


def test_a_function_that_does_not_read_holds_its_client_back(web: Web, tmp_path: Path) -> None:
    marker, word = tmp_path / "go", "x" * 10_000
    with opened(web, f"waits?marker={marker}") as client:
        client.sock.settimeout(1)
        sent = 0
        with contextlib.suppress(TimeoutError):
            for _ in range(10_000):
                client.send(word)
                sent += 1
        assert sent * len(word) < 16 << 20
        marker.touch()
        client.sock.settimeout(TIMEOUT_S)


def test_a_client_that_does_not_read_holds_its_function_back(web: Web) -> None:
    with opened(web, "flood") as client:
        before = web.metric("dragoman_calls_in_flight")
        assert before >= 1
        assert client.value() == "x" * 1000


def test_pings_are_answered_and_other_requests_go_on(web: Web) -> None:
    with opened(web, "doubled") as client:
        client.sock.sendall(b"\x89\x82\0\0\0\0hi")
        data = client.sock.recv(1024)
        assert data == b"\x8a\x02hi"
        assert web.ask("GET", "/health/live").status == 200
