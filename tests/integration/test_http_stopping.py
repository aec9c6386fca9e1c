"""SIGTERM: no new calls, those in flight finish, exit 0; a second one ends it at once."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.integration.web import SOURCES, eventually, request, serving


def answer_of(sock_data: bytes) -> tuple[int, bytes]:
    head, _, body = sock_data.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


def test_an_idle_host_ends_at_once_and_without_fault() -> None:
    with serving() as web, web.connect() as idle:
        idle.sendall(request("add", b'{"a":1,"b":2}'))
        idle.recv(65536)
        began = time.monotonic()
        web.signal()
        assert idle.recv(1) == b"", "idle connections are closed"
        assert time.monotonic() - began < 0.3
        assert web.ended() == 0
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_calls_in_flight_finish_and_no_others_begin(tmp_path: Path, number: int) -> None:
    marker = tmp_path / "marker"
    with serving() as web:
        sock = web.connect()
        sock.sendall(request("nap", json.dumps({"seconds": 1, "marker": str(marker)}).encode()))
        assert eventually(Path(f"{marker}.began").exists)
        web.signal(number)
        assert eventually(lambda: web.ask("GET", "/health/ready").status == 503)
        refused = web.call("add", a=1, b=2)
        problem = refused.json
        assert (refused.status, problem["code"], problem["started"]) == (503, "UNAVAILABLE", "no")
        assert refused.headers["connection"] == "close"
        data = sock.recv(65536)
        assert answer_of(data) == (200, b"1.0")
        assert b"connection: close\r\n" in data
        assert sock.recv(1) == b""
        sock.close()
        assert web.ended() == 0
        assert marker.exists()


def test_a_call_in_flight_meets_its_deadline(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with serving() as web, web.connect() as sock:
        body = json.dumps({"seconds": 60, "marker": str(marker)}).encode()
        sock.sendall(request("nap", body, "Dragoman-Timeout: 700ms"))
        assert eventually(Path(f"{marker}.began").exists)
        web.signal()
        status, problem = answer_of(sock.recv(65536))
        assert (status, json.loads(problem)["code"]) == (504, "DEADLINE_EXCEEDED")
        assert web.ended() == 0


def test_a_stream_in_flight_finishes(tmp_path: Path) -> None:
    release = str(tmp_path / "go")
    with serving() as web, web.connect() as sock:
        sock.sendall(request("count", json.dumps({"n": 2, "release": release}).encode()))
        Path(f"{release}.0").touch()
        data = b""
        while b"\r\n0\n" not in data:
            data += sock.recv(65536)
        web.signal()
        assert eventually(lambda: web.ask("GET", "/health/ready").status == 503)
        Path(f"{release}.1").touch()
        while piece := sock.recv(65536):
            data += piece
        assert data.endswith(b"1\n\r\n0\r\n\r\n")
        assert web.ended() == 0


def test_what_outlasts_the_grace_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text((SOURCES / "web.py").read_text())
    toml = (
        '[project]\nname = "hasty"\n[http]\nshutdown_grace = "300ms"\n[sources.web]\npath = "web.py"\ntimeout = "60s"\n'
    )
    marker = tmp_path / "marker"
    with serving(cwd=tmp_path, toml=toml) as web, web.connect() as sock, web.connect() as stream:
        stream.sendall(request("ticks", json.dumps({"progress": str(tmp_path / "progress")}).encode()))
        stream.recv(65536)
        sock.sendall(request("nap", json.dumps({"seconds": 60, "marker": str(marker)}).encode()))
        assert eventually(Path(f"{marker}.began").exists)
        began = time.monotonic()
        web.signal()
        status, problem = answer_of(sock.recv(65536))
        assert (status, json.loads(problem)["started"]) == (503, "yes")
        while stream.recv(65536):
            pass
        assert web.ended() == 0
        assert time.monotonic() - began < 3


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with serving() as web:
        worker = web.call("pid").json
        sock = web.connect()
        sock.sendall(request("nap", json.dumps({"seconds": 20, "marker": str(marker)}).encode()))
        assert eventually(Path(f"{marker}.began").exists)
        web.signal()
        assert eventually(lambda: web.ask("GET", "/health/ready").status == 503)
        began = time.monotonic()
        web.signal()
        assert web.ended() == 128 + signal.SIGTERM
        assert time.monotonic() - began < 1
        assert eventually(lambda: not Path(f"/proc/{worker}").exists())
        sock.close()
