"""A host that serves `sources/web.py` (and what a test adds) over HTTP, as a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

SOURCES = Path(__file__).parent / "sources"
TIMEOUT_S = 20.0
BASE = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Web:
    """A serving host."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.port = int(url.rpartition(":")[2])

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own; underscores in header names stand for dashes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    def call(self, function: str, /, **arguments: Any) -> Answer:
        return self.ask("POST", f"/v1/call/web.{function}", json.dumps(arguments).encode())

    def post(self, function: str, body: bytes, **headers: str) -> Answer:
        return self.ask("POST", f"/v1/call/web.{function}", body, **headers)

    def task(self, task: str) -> dict[str, Any]:
        """A task's document."""
        return self.ask("GET", f"/v1/tasks/{task}").json

    def reaches(self, task: str, *states: str) -> dict[str, Any]:
        """A task once it is in one of these states; the failure says what it is instead."""
        shown: list[dict[str, Any]] = []
        assert eventually(lambda: shown.append(self.task(task)) or shown[-1].get("state") in states), shown[-1]
        return shown[-1]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + "{", name + " ")))

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its exit code, once it has one."""
        return self.process.wait(TIMEOUT_S)


def request(function: str, body: bytes = b"{}", *lines: str) -> bytes:
    """The bytes of a call."""
    more = "".join(line + "\r\n" for line in lines)
    size = len(body)
    return (
        f"POST /v1/call/web.{function} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n{more}\r\n".encode()
        + body
    )


@contextlib.contextmanager
def serving(
    *arguments: str | Path, cwd: Path | None = None, toml: str = "", files: int = 0, by: tuple[str, ...] = ()
) -> Generator[Web]:
    """Serve on a free port meanwhile, started `by` a program.

    `toml` is a project file for `cwd`, `files` a limit on open descriptors.
    """
    if toml:
        assert cwd is not None
        (cwd / "dragoman.toml").write_text(toml)
    sources = arguments or (() if toml else (SOURCES / "web.py",))
    limited = ["prlimit", f"--nofile={files}:{files}"] if files else []
    command = [sys.executable, "-m", "dragoman", "serve", *map(str, sources), "--port", "0", "--json", "--log", "error"]
    process = subprocess.Popen(
        [*by, *limited, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=BASE,
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "it did not start"
            yield Web(process, json.loads(line)["url"])
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def eventually(condition: Callable[[], object], within_s: float = TIMEOUT_S) -> bool:
    """Whether something comes to hold in time; for what happens in other processes, which cannot tell."""
    give_up_at = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.005)
    return True
