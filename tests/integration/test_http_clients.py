"""Clients that go away, come half, or send what is no HTTP: their calls are stopped and everyone else is served."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.web import Web, eventually, request, serving


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as served:
        yield served


def settled(web: Web) -> bool:
    return eventually(lambda: web.metric("dragoman_calls_in_flight") == 0 == web.metric("dragoman_queue_length"))


@pytest.mark.parametrize("function", ["nap", "doze"])
def test_a_client_that_goes_away_stops_its_call(web: Web, tmp_path: Path, function: str) -> None:
    marker = tmp_path / "marker"
    with web.connect() as sock:
        sock.sendall(request(function, json.dumps({"seconds": 2, "marker": str(marker)}).encode()))
        assert eventually(Path(f"{marker}.began").exists)
    assert settled(web)
    assert web.call("add", a=1, b=2).status == 200
    assert not marker.exists(), "the function did not go on to its end"
    if function == "doze":
        assert Path(f"{marker}.cancelled").exists()


def test_a_client_that_resets_its_connection_stops_its_call(web: Web, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    sock = web.connect()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    sock.sendall(request("nap", json.dumps({"seconds": 2, "marker": str(marker)}).encode()))
    assert eventually(Path(f"{marker}.began").exists)
    sock.close()
    assert settled(web)
    assert not marker.exists()


def test_calls_that_wait_behind_others_are_given_up_with_their_clients(web: Web) -> None:
    clients = [web.connect() for _ in range(20)]
    for sock in clients:
        sock.sendall(request("nap", b'{"seconds":0.2}'))
    for sock in clients:
        sock.close()
    assert settled(web)
    assert web.call("add", a=1, b=2).status == 200


def test_java_s_offer_of_http_2_is_answered_over_http_1(web: Web) -> None:
    lines = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )
    with web.connect() as sock:
        for _ in range(2):
            sock.sendall(request("add", b'{"a":1,"b":2}', *lines))
            assert sock.recv(65536).endswith(b"\r\n\r\n3.0")


def test_random_bytes_never_bring_a_5xx_nor_the_server_down(web: Web) -> None:
    chance = random.Random(7)
    whole = request("add", b'{"a":1,"b":2}')
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            match chance.randint(0, 2):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randint(1, 20)]
                case _:
                    data[at:at] = chance.randbytes(chance.randint(1, 20))
        with web.connect() as sock:
            sock.sendall(bytes(data))
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while piece := sock.recv(65536):
                    answer += piece
            except ConnectionResetError:
                pass
            assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")), (bytes(data), answer)
    assert settled(web)
    assert web.call("add", a=1, b=2).status == 200


def test_connections_are_counted_while_they_last(web: Web) -> None:
    assert eventually(lambda: web.metric("dragoman_http_connections") == 1), "the one that asks"
    with web.connect(), web.connect():
        assert eventually(lambda: web.metric("dragoman_http_connections") == 3)
    assert eventually(lambda: web.metric("dragoman_http_connections") == 1)


def test_refusals_are_counted(web: Web) -> None:
    before = web.metric("dragoman_http_requests_refused_total")
    web.ask("POST", "/v1/call/web.nope")
    assert web.metric("dragoman_http_requests_refused_total") == before + 1


def test_a_host_with_few_descriptors_refuses_connections_and_serves_on() -> None:
    with serving(files=400) as web:
        assert web.call("add", a=1, b=2).status == 200
        crowd = [web.connect() for _ in range(500)]
        for sock in crowd:
            sock.close()

        def serves() -> bool:
            with suppress(OSError):
                return web.call("add", a=1, b=2).status == 200
            return False

        assert eventually(serves)
        assert web.metric("dragoman_http_requests_refused_total") > 0
