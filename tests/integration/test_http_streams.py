"""Streams from real workers: flushed at once, held back by slow readers, and given up with their clients."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.web import Web, eventually, request, serving


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as served:
        yield served


def read_until(sock: socket.socket, end: bytes, data: bytes = b"") -> bytes:
    while end not in data:
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    return data


@pytest.mark.parametrize(
    ("accept", "form"), [("application/jsonl", b"\r\n%d\n\r\n"), ("text/event-stream", b"\r\ndata: %d\n\n\r\n")]
)
def test_each_item_arrives_before_the_next_is_made(web: Web, tmp_path: Path, accept: str, form: bytes) -> None:
    release = str(tmp_path / "go")
    with web.connect() as sock:
        sock.sendall(request("count", json.dumps({"n": 3, "release": release}).encode(), f"Accept: {accept}"))
        data = b""
        for number in range(3):
            Path(f"{release}.{number}").touch()
            data = read_until(sock, form % number, data)
        read_until(sock, b"0\r\n\r\n", data)


def test_a_stream_may_be_asked_for_as_one_array(web: Web) -> None:
    answer = web.post("count", b'{"n":5}', accept="application/json")
    assert (answer.headers["content-type"], answer.json) == ("application/json", [0, 1, 2, 3, 4])
    assert web.post("count", b'{"n":0}', accept="application/json").json == []


def test_a_failure_before_the_first_item_is_an_ordinary_fault(web: Web) -> None:
    assert web.post("halfway", b'{"n":0}').status == 500
    assert web.post("halfway", b'{"n":"x"}').status == 400


def test_a_failure_in_the_middle_is_told(web: Web) -> None:
    answer = web.post("halfway", b'{"n":3}', accept="text/event-stream")
    assert b"data: 2\n\nevent: fault\ndata: {" in answer.body
    assert b"half of it is enough" in answer.body


@pytest.mark.parametrize("function", ["flood", "ticks"])
def test_a_client_that_goes_away_stops_the_function_and_gives_the_worker_back(
    web: Web, tmp_path: Path, function: str
) -> None:
    progress = tmp_path / "progress"
    with web.connect() as sock:
        sock.sendall(request(function, json.dumps({"progress": str(progress)}).encode()))
        read_until(sock, b"\r\n\r\n")
    assert eventually(Path(f"{progress}.closed").exists)
    assert eventually(lambda: web.metric("dragoman_calls_in_flight") == 0)
    assert web.call("add", a=1, b=2).status == 200


def test_a_slow_reader_holds_the_function_back(web: Web, tmp_path: Path) -> None:
    progress = tmp_path / "progress"

    def made() -> int:
        return int(progress.read_text() or 0) if progress.exists() else 0

    with web.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(request("flood", json.dumps({"progress": str(progress)}).encode()))
        read_until(sock, b"\r\n\r\n")
        assert eventually(made)
        counts = [made()]
        assert eventually(lambda: counts.append(made()) or (len(counts) > 40 and counts[-1] == counts[-40]))
        assert made() * 65_536 < 32 * 1024 * 1024, "what nobody reads is not made"
        for _ in range(100):
            sock.recv(1024 * 1024)
        assert eventually(lambda: made() > counts[-1])
    assert eventually(lambda: web.metric("dragoman_calls_in_flight") == 0)


def test_a_client_that_reads_nothing_is_cut_off(tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    (tmp_path / "web.py").write_text((Path(__file__).parent / "sources" / "web.py").read_text())
    toml = '[project]\nname = "slow"\n[http]\nwrite_timeout = "300ms"\n[sources.web]\npath = "web.py"\n'
    with serving(cwd=tmp_path, toml=toml) as web, web.connect() as sock:
        sock.sendall(request("flood", json.dumps({"progress": str(progress)}).encode()))
        assert eventually(Path(f"{progress}.closed").exists)
        assert eventually(lambda: web.metric("dragoman_calls_in_flight") == 0)
