"""Handshakes: who may open a WebSocket, and in what."""

from __future__ import annotations

import pytest

from dragoman.ingress.http.head import Refusal, wants_websocket
from dragoman.ingress.http.websocket import handshake

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
