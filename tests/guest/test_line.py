from __future__ import annotations

import _socket
import threading
from typing import TYPE_CHECKING

import pytest

from dragoman.guest.line import READ_BYTES, SEND_BYTES, Line
from dragoman.wire.connection import Connection
from dragoman.wire.frame import Frame, Kind
from dragoman.wire.handshake import Hello, Ready
from dragoman.wire.state import Role

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ends() -> Iterator[tuple[Line, _socket.socket, Connection]]:
    ours, theirs = _socket.socketpair()
    host = Connection(Role.HOST)
    line = Line(theirs)
    line.receive(host.hello(Hello("test/0")))
    host.receive(line.connection.ready(Ready("python")))
    yield line, ours, host
    ours.close()
    theirs.close()


def test_frames_that_wait_leave_together(ends: tuple[Line, _socket.socket, Connection]) -> None:
    line, ours, _ = ends
    line.put(b"ab", b"")
    line.put(b"cd")
    assert line.size == 4
    line.flush()
    assert (ours.recv(100), line.size) == (b"abcd", 0)


def test_more_than_the_kernel_holds_arrives_whole_and_in_order(ends: tuple[Line, _socket.socket, Connection]) -> None:
    line, ours, _ = ends
    parts = [bytes([number % 251]) * 10_007 for number in range(700)]
    got = bytearray()

    def read() -> None:
        while len(got) < 7_004_900 + 3 * SEND_BYTES:
            got.extend(ours.recv(1 << 20))

    reader = threading.Thread(target=read)
    reader.start()
    for part in parts:
        line.put(part)
    line.flush()
    line.send(b"h" * SEND_BYTES, b"b" * 2 * SEND_BYTES)
    reader.join(20)
    assert bytes(got) == b"".join(parts) + b"h" * SEND_BYTES + b"b" * 2 * SEND_BYTES


def test_a_frame_sent_alone_follows_what_waited(ends: tuple[Line, _socket.socket, Connection]) -> None:
    line, ours, _ = ends
    line.put(b"first")
    line.send(b"second", b"third")
    assert ours.recv(100) == b"firstsecondthird"


def test_reads_grow_inside_a_large_frame_and_shrink_after_it(ends: tuple[Line, _socket.socket, Connection]) -> None:
    line, ours, host = ends
    data = host.call(1, 0, 1, b"x" * 500_000)
    sender = threading.Thread(target=ours.sendall, args=(data,))
    sender.start()
    sizes: list[int] = []
    frames: list[Frame] = []
    while not frames:
        read = line.read()
        sizes.append(len(read))
        frames = line.receive(read)
    sender.join()
    assert frames[0].kind == Kind.CALL
    assert max(sizes) > READ_BYTES
    ours.sendall(host.call(2, 0, 1, b"y"))
    assert len(line.receive(line.read())) == 1


def test_a_driver_is_asked_in_place_of_a_send(ends: tuple[Line, _socket.socket, Connection]) -> None:
    line, ours, _ = ends
    asked: list[int] = []
    line.driver = lambda: asked.append(line.size)
    line.put(b"abc")
    line.flush()
    assert asked == [3]
    assert line.send_some() is False
    assert ours.recv(10) == b"abc"
