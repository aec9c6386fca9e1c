"""WebSocket framing: what one side sends the other reads, whatever the pieces; nothing from outside breaks it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire.websocket import OK, TOO_BIG, Closed, Event, Message, WebSocket, accept

MASKED = b"\0\0\0\0"
LIMIT = 1000


def server() -> WebSocket:
    return WebSocket(client=False, message_bytes_max=LIMIT)


def client() -> WebSocket:
    return WebSocket(client=True, message_bytes_max=LIMIT)


MESSAGES = st.lists(
    st.binary(max_size=300).map(lambda body: Message(body, text=False))
    | st.text(max_size=100).map(lambda text: Message(text.encode(), text=True)),
    max_size=5,
)


@given(MESSAGES, st.lists(st.integers(1, 50)), st.booleans())
def test_messages_arrive_whole_whatever_the_pieces(messages: list[Message], cuts: list[int], to_server: bool) -> None:  # noqa: FBT001 - drawn
    here, there = (client(), server()) if to_server else (server(), client())
    for message in messages:
        here.send(message.body, text=message.text)
    here.close(OK)
    data, found = here.take(), list[Event]()
    for cut in cuts:
        found += there.receive(data[:cut])
        data = data[cut:]
    found += there.receive(data)
    assert found == [*messages, Closed(OK, "")]
    assert here.receive(there.take()) == []


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_whatever_comes_there_is_one_end_at_most_and_nothing_behind_it(pieces: list[bytes]) -> None:
    socket = server()
    found = [event for piece in pieces for event in socket.receive(piece)]
    closes = [place for place, event in enumerate(found) if isinstance(event, Closed)]
    assert closes in ([], [len(found) - 1])
    assert socket.partial_bytes <= LIMIT + 60
    assert len(socket.take()) <= sum(map(len, pieces)) + 130


def test_a_message_past_the_bound_ends_the_connection_before_it_has_come() -> None:
    socket = server()
    assert socket.receive(b"\x82\xff" + (2**40).to_bytes(8) + MASKED + bytes(LIMIT)) == []
    assert socket.partial_bytes == LIMIT
    (end,) = socket.receive(b"\0")
    assert isinstance(end, Closed)
    assert end.code == TOO_BIG
    assert socket.take()[2:4] == TOO_BIG.to_bytes(2)
    assert socket.receive(bytes(5000)) == []


def test_the_parts_of_a_message_count_together() -> None:
    socket = server()
    part = b"\xfe\x01\xf4" + MASKED + bytes(500)
    events = socket.receive(b"\x02" + part + b"\x00" + part + b"\x00\x81" + MASKED + b"\0")
    assert isinstance(events[0], Closed)


def test_of_many_pings_the_last_is_answered() -> None:
    socket = server()
    pings = b"".join(b"\x89\x81" + MASKED + bytes([number]) for number in range(100))
    assert socket.receive(pings) == []
    assert socket.take() == b"\x8a\x01\x63"
    socket.ping()
    assert socket.take() == b"\x89\x00"


@pytest.mark.parametrize("data", [b"\x83\x80" + MASKED, b"\xc1\x80" + MASKED, b"\x09\x80" + MASKED, b"\x81\x01a"])
def test_what_breaks_the_protocol_is_answered_by_a_close(data: bytes) -> None:
    socket = server()
    (end,) = socket.receive(data)
    assert isinstance(end, Closed)
    assert end.code == 1002
    assert socket.take()[:1] == b"\x88"
    socket.send(b"too late", text=True)
    assert socket.take() == b""


def test_a_reason_is_cut_to_what_a_close_frame_holds() -> None:
    socket, peer = server(), client()
    socket.close(4003, "é" * 100)
    (end,) = peer.receive(socket.take())
    assert end == Closed(4003, "é" * 61)


def test_the_answer_to_a_key_is_that_of_the_specification() -> None:
    assert accept(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
