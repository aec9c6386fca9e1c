from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest

from dragoman.core.event import Event, Log
from dragoman.core.fault import Code, Fault, Started, StartFailed
from dragoman.host.host import Host
from dragoman.upstream.child import free_port
from tests.host.projects import ask
from tests.upstream.conftest import Open

SERVICE = """
import json, os, subprocess, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

print("serving", flush=True)
grandchild = subprocess.Popen(["sleep", "1000"], start_new_session=True)
asked = 0

class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global asked
        asked += 1
        self.say(200 if asked > 2 else 503, {"asked": asked})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body.get("die"):
            os.kill(os.getpid(), 9)
        self.say(200, {"pid": os.getpid(), "grandchild": grandchild.pid, "token": os.environ.get("TOKEN"),
                       "secret": os.environ.get("SECRET_OF_THE_HOST")})

    def say(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answering).serve_forever()
"""


class Journal:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[str] = []

    def event(self, source: str, pid: int, call: Any, event: Event) -> None:
        assert isinstance(event, Log)
        self.lines.append(event.message)

    def note(self, level: str, message: str, source: str, pid: int) -> None:
        self.notes.append(message)


@pytest.fixture
def started(tmp_path: Path) -> str:
    """The settings of a service that the host starts at a port of its choice."""
    (tmp_path / "service.py").write_text(SERVICE)
    return f"""
        url = "http://127.0.0.1:{{port}}/"
        command = ["{sys.executable}", "service.py", "{{port}}"]
        health = "/healthz"
        env = {{ TOKEN = "t" }}
    """


async def back(host: Host) -> dict[str, Any]:
    """The answer of a service that is being started again; a call that meets its death may be lost."""
    until = monotonic() + 20
    while True:
        try:
            return await ask(host, "it")
        except Fault as fault:
            if fault.code is not Code.UNAVAILABLE or monotonic() > until:
                raise
            await asyncio.sleep(0.02)


async def test_a_service_is_started_waited_for_and_dies_as_a_tree(
    opened: Open, started: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    journal = Journal()
    async with opened(started, journal=journal) as host:
        answer = await ask(host, "it")
        assert (answer["token"], answer["secret"]) == ("t", None)
        assert psutil.pid_exists(answer["grandchild"])
        assert "serving" in journal.lines
    assert not psutil.pid_exists(answer["pid"])
    assert not psutil.pid_exists(answer["grandchild"])


async def test_a_service_that_is_killed_in_a_call_is_started_again(opened: Open, started: str) -> None:
    async with opened(started, journal=(journal := Journal())) as host:
        first = await ask(host, "it")
        with pytest.raises(Fault) as raised:
            await ask(host, "it", die=True)
        assert (raised.value.code, raised.value.started) == (Code.UNAVAILABLE, Started.UNKNOWN)
        second = await back(host)
        assert second["pid"] != first["pid"]
        assert not psutil.pid_exists(first["grandchild"])
        assert any("signal 9" in note for note in journal.notes)
        assert host.ready() == (True, {})
        os.kill(second["pid"], signal.SIGTERM)
        assert (await back(host))["pid"] != second["pid"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("import sys; sys.exit('no database')", ["exit code 1", "before it was ready", "no database"]),
        ("import signal; signal.pause()", ["start_timeout of 0.3s", "takes no connection"]),
    ],
)
async def test_a_service_that_does_not_come_up_says_why(opened: Open, command: str, words: list[str]) -> None:
    settings = f"""
        url = "http://127.0.0.1:{{port}}"
        command = ["{sys.executable}", "-c", "{command}", "{{port}}"]
        start_timeout = "{"20s" if "exit" in command else "300ms"}"
    """
    with pytest.raises(StartFailed) as raised:
        async with opened(settings):
            raise AssertionError
    for word in words:
        assert word in raised.value.detail


async def test_a_service_that_never_gets_healthy_is_killed_and_says_what_it_answered(
    opened: Open, started: str, tmp_path: Path
) -> None:
    source = (tmp_path / "service.py").read_text().replace("200 if asked > 2 else 503", "503")
    (tmp_path / "service.py").write_text(source)
    journal = Journal()
    with pytest.raises(StartFailed, match=r"start_timeout of 1s: /healthz answers 503") as raised:
        async with opened(f'{started}\nstart_timeout = "1s"', journal=journal):
            raise AssertionError
    assert "serving" in raised.value.detail


async def test_a_program_that_is_not_there_cannot_be_started(opened: Open) -> None:
    with pytest.raises(StartFailed, match="cannot be started"):
        async with opened('url = "http://127.0.0.1:{port}"\ncommand = ["no-such-program", "{port}"]'):
            raise AssertionError


async def test_a_stranger_at_the_address_is_not_taken_for_the_service(opened: Open, started: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        settings = f'url = "http://127.0.0.1:{port}"\ncommand = ["{sys.executable}", "service.py"]'
        with pytest.raises(StartFailed, match=r"something else answers.*\{port\}"):
            async with opened(settings):
                raise AssertionError


async def test_a_service_that_comes_up_at_last_is_put_in_service(opened: Open, started: str, tmp_path: Path) -> None:
    from tests.host.projects import hosting  # noqa: PLC0415 - the one test that starts by failing

    text = (tmp_path / "service.py").read_text()
    (tmp_path / "service.py").write_text("raise SystemExit('not yet')")
    (tmp_path / "dragoman.toml").write_text(f"[sources.it]\n{started}")
    async with hosting(tmp_path) as host:
        faults = await host.start()
        assert "not yet" in faults["it"].detail
        assert not host.ready()[0]
        ready = asyncio.Event()
        host.registry.on_change.append(lambda _: ready.set())
        (tmp_path / "service.py").write_text(text)
        await asyncio.wait_for(ready.wait(), 20)
        assert (await ask(host, "it"))["token"] == "t"


def test_a_free_port_is_one() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass
