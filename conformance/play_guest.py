"""Plays guests to a host: each case is a source of one project, whose only worker is a puppet of this process.

The host is a real one, `dragoman serve`, and is called over HTTP. Since every case has a source of its own, what one
does to its connection must not touch the others: that is part of what is tested.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Self

from conformance.frames import GUEST_IDS, Frame
from conformance.line import Broken, Line
from conformance.run import Outcome
from conformance.talk import STEP_S_MAX, Talk
from conformance.values import alike, grown, same, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.play_host import Case

CASES = Path(__file__).parent / "host"
PUPPET = Path(__file__).parent / "puppet.py"
START_S_MAX = 30.0
STOP_S_MAX = 10.0
CASE_BYTES_MAX = 256
NUMBERS = {"type": "object", "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}}}
FUNCTIONS = [
    {"name": "plain", "input": {"type": "object"}, "output": {}},
    {"name": "items", "input": {"type": "object"}, "output": {}, "streaming": True},
    {"name": "takes", "input": NUMBERS, "output": {}, "input_stream": "numbers"},
    {"name": "raw", "input": {"type": "object"}, "output": {}, "raw_input": True, "raw_output": True},
    {"name": "safe", "input": {"type": "object"}, "output": {}, "idempotent": True},
]
READY = {"version": 1, "language": "puppet", "library": "conformance/1", "functions": FUNCTIONS}


def cases(folder: Path = CASES) -> Iterator[tuple[str, Case]]:
    """Every case, with its full name."""
    for file in sorted(folder.glob("*.json")):
        for case in json.loads(file.read_text())["cases"]:
            yield f"{file.stem}.{case['name']}", case


class Puppet(Talk):
    """One worker of a host, played here."""

    def __init__(self, line: Line) -> None:
        super().__init__(line, 0)
        self.hello: dict[str, Any] = {}

    def _real(self, call: int | str, *, new: bool = False) -> int:  # noqa: ARG002 - a guest's ids are as the case says
        key = str(call)
        if key.startswith("g"):
            return GUEST_IDS + int(key[1:])
        return self.ids.get(key, 2**40) if isinstance(call, str) else call

    def differs(self, frame: Frame, told: dict[str, Any]) -> str | None:
        """As in every conversation, but here it is the host's calls whose numbers are bound."""
        call = told.get("call")
        if frame.kind == "CALL" == told["kind"] and isinstance(call, str):
            if not 0 < frame.call < GUEST_IDS:
                return f"a host's call has the id {frame.call:#x}"
            self.ids[call] = frame.call
            told = {key: value for key, value in told.items() if key != "call"}
        if "function" in told and frame.function != told["function"]:
            return f"expected function {told['function']}, got {frame.function}"
        if "want" in told and frame.want != told["want"]:
            return f"expected a reply wanted in {told['want']}, got {frame.want}"
        return super().differs(frame, told)


class Stage:
    """The host that is tested, and the door at which its puppets arrive. Use as a context manager."""

    def __init__(self, names: list[str], settings: Callable[[str], str], command: tuple[str, ...]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-")
        folder = Path(self._folder.name)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(folder / "door"))
        self._door.listen(len(names))
        self.arrivals: dict[str, Queue[Line]] = {name: Queue() for name in names}
        self.strings: list[socket.socket] = []
        script = f"#!{sys.executable} -IS\n{PUPPET.read_text()}"
        (folder / "puppet").write_text(script)
        (folder / "puppet").chmod(0o700)
        (folder / "dragoman.toml").write_text(
            "".join(self._source(name, settings(name), folder / "door") for name in names)
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.log = (folder / "log").open("w+b")
        threading.Thread(target=self._welcome, daemon=True).start()
        self._host = subprocess.Popen(
            (*command, "serve", str(folder), "--port", str(self.port)),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    @staticmethod
    def _source(name: str, settings: str, door: Path) -> str:
        env = f'{{ CONFORMANCE_SOCKET = "{door}", CONFORMANCE_CASE = "{name}" }}'
        # Cases are played one after the other, and their puppets wait for their turn.
        patience = "" if "start_timeout" in settings else 'start_timeout = "10m"'
        workers = f"workers = {{ min = 1, max = 1 }}\n{patience}"
        return f'[sources.{name}]\npath = "puppet"\nlanguage = "wire"\nenv = {env}\n{workers}\n{settings}\n'

    def _welcome(self) -> None:
        while True:
            try:
                string, _ = self._door.accept()
            except OSError:
                return
            name, fds, *_ = socket.recv_fds(string, CASE_BYTES_MAX, 1)
            if not fds:  # it was killed before it could say whose it is
                string.close()
                continue
            self.strings.append(string)
            self.arrivals[name.decode()].put(Line(socket.socket(fileno=fds[0])))

    def puppet(self, name: str, timeout_s: float = START_S_MAX) -> Puppet:
        """The next worker that the host starts for a case. Raises `Broken`."""
        ends = time.monotonic() + timeout_s
        while self.alive and time.monotonic() < ends:
            with contextlib.suppress(Empty):
                return Puppet(self.arrivals[name].get(timeout=0.2))
        message = f"the host has started no worker within {timeout_s:g}s; it says: {self.said()}"
        raise Broken(message)

    def said(self) -> str:
        """The end of the host's log."""
        self.log.seek(0)
        return self.log.read()[-1500:].decode(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether the host still runs."""
        return self._host.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._host.send_signal(signal.SIGTERM)
        try:
            self._host.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._host.kill()
            self._host.wait()
        self._door.close()
        for arrivals in self.arrivals.values():
            while not arrivals.empty():
                arrivals.get().sock.close()
        for string in self.strings:
            string.close()
        self.log.close()
        self._folder.cleanup()


class Part:
    """One case being played: its puppet, and the requests that are under way."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.name = name
        self.puppet = stage.puppet(name)
        self.asked: dict[str, tuple[http.client.HTTPConnection, concurrent.futures.Future[Any]]] = {}

    def close(self) -> None:
        """Let go of the puppet, and of whatever was asked and not waited for."""
        self.puppet.line.sock.close()
        for connection, _ in self.asked.values():
            connection.close()

    def hello(self, like: dict[str, Any] | None) -> None:
        """HELLO comes first, from the host."""
        self.puppet.expect({"kind": "HELLO", "call": 0, "codec": "json", "like": like or {}})

    def ready(self, changed: dict[str, Any] | None) -> None:
        """Answer with the functions of every puppet, and wait until the host serves them."""
        self.puppet.send({"kind": "READY", "body": {**READY, **(changed or {})}})
        ends = time.monotonic() + STEP_S_MAX
        while time.monotonic() < ends:
            status, _, _ = self._fetch("GET", f"/v1/functions/{self.name}.plain", b"", {})
            if status == http.client.OK:
                return
            time.sleep(0.01)
        message = f"the functions are not served {STEP_S_MAX:g}s after READY; the host says: {self.stage.said()}"
        raise Broken(message)

    def start(self, _: object = None) -> None:
        """The usual handshake."""
        self.hello(None)
        self.ready(None)

    def again(self, _: object = None) -> None:
        """The host starts another worker in place of the one that is gone."""
        self.puppet.line.sock.close()
        self.puppet = self.stage.puppet(self.name)
        self.hello(None)
        self.puppet.send({"kind": "READY", "body": READY})

    def ask(self, told: dict[str, Any]) -> None:
        """Begin a request, which goes on by itself."""
        codec = told.get("codec", "application/json")
        body = told["raw"].encode() if "raw" in told else json.dumps(grown(told.get("body", {}))).encode()
        headers = {"Content-Type": codec, **told.get("headers", {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.stage.port, timeout=STEP_S_MAX * 2)
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def go() -> None:
            try:
                connection.request("POST", f"/v1/call/{self.name}.{told['function']}", body, headers)
                response = connection.getresponse()
                future.set_result((response.status, dict(response.getheaders()), response.read()))
            except Exception as error:  # noqa: BLE001 - whoever waits for the answer is told
                future.set_exception(error)

        threading.Thread(target=go, daemon=True).start()
        self.asked[told["id"]] = (connection, future)

    def _fetch(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.stage.port, timeout=STEP_S_MAX)
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        except OSError:
            return 0, {}, b""
        finally:
            connection.close()

    def answer(self, told: dict[str, Any]) -> None:
        """A request ends, as told."""
        connection, future = self.asked.pop(told["id"])
        try:
            status, headers, body = future.result(told.get("within", STEP_S_MAX))
        except TimeoutError:
            message = f"the host has not answered within {told.get('within', STEP_S_MAX):g}s"
            raise Broken(message) from None
        except Exception as error:
            message = f"the request failed: {error!r}"
            raise Broken(message) from error
        finally:
            connection.close()
        if status != told.get("status", 200):
            message = f"expected {told.get('status', 200)}, got {status}: {body[:300]!r}"
            raise Broken(message)
        wanted = {name.lower(): value for name, value in headers.items()}
        if any(wanted.get(name.lower()) != value for name, value in told.get("headers", {}).items()):
            message = f"expected headers {told['headers']}, got {headers}"
            raise Broken(message)
        self._compare(body, told)

    @staticmethod
    def _compare(body: bytes, told: dict[str, Any]) -> None:
        if "raw" in told and body != told["raw"].encode():
            message = f"expected {told['raw']!r}, got {body[:300]!r}"
            raise Broken(message)
        if "body" in told and not same(json.loads(body), grown(told["body"])):
            message = f"expected {told['body']!r:.200}, got {body[:300]!r}"
            raise Broken(message)
        if "like" in told and not alike(json.loads(body), told["like"]):
            message = f"expected something like {told['like']!r:.200}, got {body[:300]!r}"
            raise Broken(message)

    def abandon(self, name: str) -> None:
        """The client goes away."""
        connection, future = self.asked.pop(name)
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
        future.add_done_callback(lambda _: connection.close())

    def gone(self, told: dict[str, Any]) -> None:
        """The host ends the connection, with a FAULT on call 0 at most."""
        while True:
            try:
                frame = self.puppet.line.receive(told.get("within", STEP_S_MAX))
            except TimeoutError:
                raise Broken("the host goes on after what it must not accept") from None
            if frame is None:
                return
            if frame.kind == "FAULT" and frame.call == 0:
                detail = str(frame.value.get("detail", ""))
                if told.get("reason", "") not in detail:
                    message = f"the FAULT on call 0 does not name {told['reason']!r}: {detail!r}"
                    raise Broken(message)
            elif frame.kind not in {"BYE", "CANCEL", "DRAIN", "PING", "CREDIT"}:
                message = f"expected the end of the connection, got {shown(frame)}"
                raise Broken(message)

    def ends(self, _: object = None) -> None:
        """The guest ends its side without a word."""
        self.puppet.line.sock.shutdown(socket.SHUT_RDWR)
        self.puppet.line.sock.close()

    def healthy(self, _: object = None) -> None:
        """The host still serves."""
        status, _, body = self._fetch("GET", "/health/live", b"", {})
        if status != http.client.OK:
            message = f"the host is not live: {status} {body[:200]!r}"
            raise Broken(message)

    def unready(self, like: str) -> None:
        """The source is not served, and the host says why."""
        ends = time.monotonic() + STEP_S_MAX
        body = b""
        while time.monotonic() < ends:
            _, _, body = self._fetch("GET", "/health/ready", b"", {})
            if like in body.decode(errors="replace"):
                return
            time.sleep(0.02)
        message = f"/health/ready does not say {like!r}: {body[:1000]!r}"
        raise Broken(message)


STEPS: dict[str, Callable[[Part, Any], None]] = {
    "hello": Part.hello,
    "ready": Part.ready,
    "start": Part.start,
    "again": Part.again,
    "ask": Part.ask,
    "answer": Part.answer,
    "abandon": Part.abandon,
    "gone": Part.gone,
    "ends": Part.ends,
    "healthy": Part.healthy,
    "unready": Part.unready,
    "send": lambda part, told: part.puppet.send(told),
    "send_hex": lambda part, text: part.puppet.line.send(bytes.fromhex(text)),
    "expect": lambda part, told: part.puppet.expect(told),
    "expect_all": lambda part, told: part.puppet.expect_all(told),
    "quiet": lambda part, seconds: _quiet(part.puppet, seconds),
}


def _quiet(puppet: Puppet, seconds: float) -> None:
    try:
        frame = puppet.line.receive(seconds)
    except TimeoutError:
        return
    message = f"expected nothing, got {shown(frame) if frame else 'the end of the connection'}"
    raise Broken(message)


def run(command: tuple[str, ...], chosen: Callable[[str], bool] = lambda _: True) -> Iterator[Outcome]:
    """Every case, one outcome each; the last says whether the host outlived them."""
    found = {f"case_{number}": told for number, told in enumerate(cases()) if chosen(told[0])}
    settings = {name: case.get("settings", "") for name, (_, case) in found.items()}
    with Stage(list(found), settings.__getitem__, command) as stage:
        for source, (name, case) in found.items():
            yield Outcome(name, _play(stage, source, case))
        yield Outcome("host.outlives-them-all", "" if stage.alive else f"the host has ended: {stage.said()}")


def _play(stage: Stage, source: str, case: Case) -> str:
    try:
        part = Part(stage, source)
    except Broken as broken:
        return str(broken)
    try:
        for position, step in enumerate(case["steps"]):
            ((verb, told),) = json.loads(json.dumps(step).replace("$self", source)).items()
            try:
                STEPS[verb](part, told)
            except Broken as broken:
                return f"step {position + 1}: {broken}"
    finally:
        part.close()
    return ""
