"""The call lane behind a real socket, with services that need no worker.

The server runs on a loop of its own in a thread, so that a test may block on its sockets as a client would.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import uvloop

from dragoman.core.call import Cached, Call, Codec, Reply
from dragoman.core.clock import SystemClock
from dragoman.core.draft import whole
from dragoman.core.fault import Fault, NotFound, Overloaded
from dragoman.core.service import Pending, Service
from dragoman.core.target import Target
from dragoman.ingress.http.board import Board
from dragoman.ingress.http.doors import Door, Doors
from dragoman.ingress.http.lane import CallLane
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.http.routes import build
from dragoman.ingress.http.server import HttpServer, bind
from dragoman.ingress.listener import Naming
from dragoman.security.tls import context
from dragoman.telemetry.metrics import IngressMeter, Meter, Metrics
from dragoman.telemetry.trace import Tracer

from .ledger import Ledger
from .shelf import full

if TYPE_CHECKING:
    from types import TracebackType

TIMEOUT_S = 10.0
PREFIX = "c0ffee00"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Items:
    """A stream whose items come when the test lets them."""

    def __init__(self, items: list[bytes], fault: Fault | None = None) -> None:
        self.waiting = items
        self.fault = fault
        self.taken = 0
        self.closed = threading.Event()
        self.gate = asyncio.Semaphore(0)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await self.gate.acquire()
        if self.taken == len(self.waiting):
            if self.fault is not None:
                raise self.fault
            raise StopAsyncIteration
        self.taken += 1
        return self.waiting[self.taken - 1]

    async def aclose(self) -> None:
        self.closed.set()


@dataclass
class Held:
    """A service that answers when the test says so."""

    calls: list[Call] = field(default_factory=list[Call])
    pending: list[Pending] = field(default_factory=list[Pending])
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    cancelled: threading.Event = field(default_factory=threading.Event)

    def __call__(self, call: Call) -> Pending:
        pending = Pending()
        pending.on_cancel = lambda: self._cancel(pending)
        self.calls.append(call)
        self.pending.append(pending)
        self.arrived.release()
        return pending

    def wait(self) -> Call:
        """The next call that has arrived."""
        assert self.arrived.acquire(timeout=TIMEOUT_S), "no call came"
        return self.calls[-1]

    def _cancel(self, pending: Pending) -> None:
        self.cancelled.set()
        pending.fail(Fault.cancelled("the caller left"))


async def add(call: Call) -> Reply:
    fields = json.loads(bytes(whole(call.body)))
    return Reply(json.dumps(fields["a"] + fields["b"]).encode(), Codec.JSON, None, 1e-6, 2e-6)


def echo(call: Call) -> Pending:
    pending = Pending()
    pending.resolve(Reply(whole(call.body), call.codec))
    return pending


def overloaded(call: Call) -> Pending:
    return Pending.failed(Overloaded('100% full: {"queue": 1}', function=call.target.name, retry_after_s=1))


async def boom(call: Call) -> Reply:
    raise Fault.unknown("ValueError: no")


async def bug(call: Call) -> Reply:
    raise RuntimeError("not a fault")


class Noted:
    """What the lane told."""

    def __init__(self) -> None:
        self.counts = IngressMeter()
        self.faults: list[Fault] = []

    def failed(self, call: Call, fault: Fault) -> None:
        self.faults.append(fault)


class Site:
    """One served lane. `held` and `items` are under the test's control."""

    def __init__(self, **options: Any) -> None:
        self.held = Held()
        self.items = Items([b"1", b"2", b"3"])
        self.cached = Cached(3.4, 6.6, "abc")
        self.noted = Noted()
        self.options = replace(HttpOptions(port=0), **options)
        self.doors = Doors(lambda name: NotFound(f"there is no function {name!r}", function=name))
        self.meters: dict[str, Meter] = {}
        self.calls: list[Call] = []
        self._sock = bind(self.options)
        self.port: int = self._sock.getsockname()[1]
        self.lane: CallLane
        self.board: Board
        self.ledger: Ledger
        self.server: HttpServer
        self._started = threading.Event()
        self._stop: Callable[[], object]
        self._thread = threading.Thread(target=self._run, daemon=True)

    async def stream(self, call: Call) -> Reply:
        return Reply(b"", call.reply_codec, self.items)

    def kept(self, call: Call) -> Pending:
        pending = Pending()
        reply = Reply(b"[1]", call.reply_codec)
        reply.cached = self.cached
        pending.resolve(reply)
        return pending

    def functions(self) -> dict[str, Door]:
        services: dict[str, tuple[Service, dict[str, Any]]] = {
            "fn.add": (add, {"idempotent": True}),
            "fn.echo": (echo, {"raw_input": True, "raw_output": True}),
            "fn.held": (self.held, {}),
            "fn.stream": (self.stream, {"streaming": True}),
            "fn.overloaded": (overloaded, {}),
            "fn.boom": (boom, {}),
            "fn.kept": (self.kept, {"idempotent": True, "raw_output": True}),
            "fn.bug": (bug, {}),
        }
        schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
        doors: dict[str, Door] = {}
        for index, (name, (service, flags)) in enumerate(services.items()):
            target = Target(name, "fn", name.removeprefix("fn."), index, 5.0, **flags)
            self.meters[name] = Meter()
            doors[name] = Door(target, self._noting(service), self.meters[name], schema)
        return doors

    def _noting(self, service: Service) -> Service:
        def noted(call: Call) -> Awaitable[Reply]:
            self.calls.append(call)
            return service(call)

        return noted

    # Life

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(TIMEOUT_S), "the server did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive(), "the server did not stop"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        self._loop = loop
        clock = SystemClock()
        self.lane = CallLane(
            self.doors,
            self.options,
            Tracer(lambda size: b"\x07" * size),
            clock,
            Naming("shop", PREFIX, count(1).__next__),
            self.noted,
        )
        self.doors.replace(self.functions())
        self.ledger = Ledger()
        self.lane.board = self.board = Board(self.ledger, clock)
        shelf = full()
        tls = context(self.options.tls_cert, self.options.tls_key)
        self.server = HttpServer(build(shelf, Metrics("0"), shelf, self.board), self.lane, self._sock, tls)
        await self.server.open()
        self._started.set()
        await stop.wait()
        await self.server.close()

    def drain(self, grace_s: float = TIMEOUT_S) -> Future[bool]:
        """Have the server drain, in its own thread."""
        return asyncio.run_coroutine_threadsafe(self.server.drain(grace_s), self._loop)

    def do(self, action: Callable[[], object]) -> None:
        """Run something on the server's loop, and wait until it has."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (action(), done.set()))
        assert done.wait(TIMEOUT_S)

    def task(self, **fields: Any) -> str:
        """A new task; its id."""
        made: list[str] = []
        self.do(lambda: made.append(self.ledger.add(**fields)))
        return made[0]

    def answer(self, body: bytes = b"null") -> None:
        """Answer the oldest call that is held."""
        pending = self.held.pending.pop(0)
        self.do(lambda: pending.resolve(Reply(body)))

    def settled(self, condition: Callable[[], bool]) -> bool:
        """Let the server's loop turn until something holds."""
        give_up_at = time.monotonic() + TIMEOUT_S
        while not condition():
            if time.monotonic() > give_up_at:
                return False
            self.do(lambda: None)
        return True

    def allow(self, items: int) -> None:
        """Let the stream go on for so many items, its end counting as one."""
        self.do(lambda: [self.items.gate.release() for _ in range(items)])

    @property
    def in_flight(self) -> int:
        return sum(meter.in_flight for meter in self.meters.values())

    # Clients

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own; underscores in header names stand for dashes."""
        connection = http.client.HTTPConnection(self.options.host, self.port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    def call(self, function: str, body: bytes = b"{}", **headers: str) -> Answer:
        return self.ask("POST", f"/v1/call/{function}", body, **{"content-type": "application/json"} | headers)

    def connect(self) -> Wire:
        return Wire(socket.create_connection((self.options.host, self.port), TIMEOUT_S))


class Wire:
    """A client that sends what it likes."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def post(self, function: str, body: bytes = b"{}", *lines: bytes) -> None:
        self.send(post(function, body, *lines))

    def head(self) -> tuple[int, dict[str, str]]:
        """The status and the headers of the next response."""
        status = int(self.file.readline().split(b" ", 2)[1])
        headers: dict[str, str] = {}
        while (line := self.file.readline().rstrip(b"\r\n")) != b"":
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name.lower()] = value
        return status, headers

    def response(self) -> Answer:
        """The next response, with its body."""
        status, headers = self.head()
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join(self.chunks())
        else:
            body = self.file.read(int(headers.get("content-length", "0")))
        return Answer(status, headers, body)

    def chunk(self) -> bytes:
        """The next chunk of a body; empty at the end, or where the body breaks off."""
        size = self.file.readline()
        if not size:
            raise EOFError
        data = self.file.read(int(size, 16))
        self.file.readline()
        return data

    def chunks(self) -> Iterator[bytes]:
        while data := self.chunk():
            yield data

    def at_end(self) -> bool:
        """Whether the server has closed, with nothing more to read."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True


def post(function: str, body: bytes = b"{}", *lines: bytes) -> bytes:
    """A whole request."""
    more = b"".join(line + b"\r\n" for line in lines)
    head = b"POST /v1/call/%b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % (function.encode(), len(body))
    return head + more + b"\r\n" + body
