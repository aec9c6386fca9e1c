"""The native lane behind a real socket, with services that need no worker, and a client that speaks in frames."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Self

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.clock import SystemClock
from dragoman.core.draft import whole
from dragoman.core.fault import Fault, NotFound, Overloaded
from dragoman.core.service import Pending, Service
from dragoman.core.target import Target
from dragoman.ingress.listener import Naming
from dragoman.ingress.native.doors import Door, Doors
from dragoman.ingress.native.guard import Guard
from dragoman.ingress.native.lane import NativeLane
from dragoman.ingress.native.listening import Listening, listen
from dragoman.ingress.native.listing import own_doors
from dragoman.ingress.native.options import NativeOptions
from dragoman.ingress.native.server import NativeServer
from dragoman.telemetry.metrics import IngressMeter, Meter
from dragoman.telemetry.trace import Tracer
from dragoman.wire import meta
from dragoman.wire.connection import Connection
from dragoman.wire.frame import GUEST_BIT, Flag, Frame, Kind
from dragoman.wire.handshake import Ready
from dragoman.wire.report import load_fault
from dragoman.wire.state import Role

TIMEOUT_S = 10.0
PREFIX = "c0ffee00"
JSON = int(Codec.JSON)


class Items:
    """A stream whose items come as fast as they are taken."""

    def __init__(self, items: list[bytes], fault: Fault | None = None) -> None:
        self.items = items
        self.fault = fault
        self.taken = 0
        self.closed = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.taken < len(self.items):
            self.taken += 1
            return self.items[self.taken - 1]
        if self.fault is not None:
            raise self.fault
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed.set()


class Held:
    """A service that answers when the test says so."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[tuple[Call, Pending]] = asyncio.Queue()
        self.cancelled = asyncio.Event()

    def __call__(self, call: Call) -> Pending:
        pending = Pending()

        def cancel() -> None:
            self.cancelled.set()
            pending.fail(Fault.cancelled("the caller left"))

        pending.on_cancel = cancel
        self.arrived.put_nowait((call, pending))
        return pending

    async def next(self) -> tuple[Call, Pending]:
        return await soon(self.arrived.get())


async def add(call: Call) -> Reply:
    fields = json.loads(bytes(whole(call.body)))
    return Reply(json.dumps(fields["a"] + fields["b"]).encode(), Codec.JSON, None, 1e-6, 2e-6)


def echo(call: Call) -> Pending:
    pending = Pending()
    pending.resolve(Reply(whole(call.body), call.codec))
    return pending


async def total(call: Call) -> Reply:
    assert call.input is not None
    return Reply(b"%d" % sum([int(body) async for _, body in call.input]))


async def boom(_: Call) -> Reply:
    raise Fault.of("UNKNOWN", "ValueError: no", traceback="Traceback …", errors=())


async def bug(_: Call) -> Reply:
    raise RuntimeError("not a fault")


def broken(_: Call) -> Pending:
    raise RuntimeError("not even a promise")


def full(_: Call) -> Pending:
    return Pending.failed(Overloaded("full", retry_after_s=1))


class Noted:
    """What the lane told."""

    def __init__(self) -> None:
        self.counts = IngressMeter()
        self.faults: list[Fault] = []

    def failed(self, call: Call, fault: Fault) -> None:
        self.faults.append(fault)


class Shelf:
    """Listings, as a host has them."""

    def functions(self) -> bytes:
        return b'{"service":"booth","functions":[]}'

    def function(self, name: str) -> bytes | None:
        return b'{"name":"fn.add"}' if name == "fn.add" else None


class Booth:
    """One served lane. `held` and `items` are under the test's control."""

    def __init__(self, path: Path, options: NativeOptions) -> None:
        self.path = path
        self.held = Held()
        self.items = Items([b"1", b"2", b"3"])
        self.noted = Noted()
        self.calls: list[Call] = []
        self.callers: list[Caller] = []
        self.meter = Meter()
        doors = Doors(missing, own_doors(Shelf(), missing, Meter()))
        self.lane = NativeLane(
            doors,
            options,
            Tracer(lambda size: b"\x07" * size),
            SystemClock(),
            Naming("booth", PREFIX, count(1).__next__, "dragoman/9"),
            self.noted,
        )
        doors.replace(self._doors())
        self.listening: list[Listening] = [listen(f"unix://{path}", Guard(options.users, options.group))]
        self.server = NativeServer(self.lane, self.listening, None)

    def _doors(self) -> dict[str, Door]:
        services: dict[str, tuple[Service, dict[str, Any]]] = {
            "add": (add, {}),
            "echo": (echo, {"raw_input": True, "raw_output": True}),
            "held": (self.held, {}),
            "stream": (self._stream, {"streaming": True}),
            "boom": (boom, {}),
            "total": (total, {"input_stream": "values"}),
            "bug": (bug, {}),
            "broken": (broken, {}),
            "full": (full, {}),
        }
        return {f"fn.{name}": self._door(name, *made) for name, made in services.items()}

    def _door(self, name: str, service: Service, settings: dict[str, Any]) -> Door:
        def noting(call: Call) -> Awaitable[Reply]:
            self.calls.append(call)
            return service(call)

        return Door(Target(f"fn.{name}", "fn", name, 0, 5.0, **settings), noting, self.meter)

    async def _stream(self, call: Call) -> Reply:
        return Reply(b"", call.reply_codec, self.items)

    async def client(self, *, ready: bool = True, token: str = "") -> Caller:
        made = await Caller.connect(self.path, ready=ready, token=token)
        self.callers.append(made)
        return made


@contextlib.asynccontextmanager
async def booth(folder: Path, **options: Any) -> AsyncGenerator[Booth]:
    """A booth that serves meanwhile."""
    served = Booth(folder / "n.sock", replace(NativeOptions(), **options))
    await served.server.open()
    try:
        yield served
    finally:
        for caller in served.callers:
            await caller.close()
        await served.server.close()


def missing(name: str) -> Fault:
    return NotFound(f"there is no function {name!r}", function=name)


async def soon(awaitable: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaitable, TIMEOUT_S)


class Caller:
    """A client by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.connection = Connection(Role.CLIENT)
        self.frames: list[Frame] = []
        self._ids = count(GUEST_BIT + 1)

    @classmethod
    async def connect(cls, path: Path, *, ready: bool = True, token: str = "") -> Self:
        made = cls(*await asyncio.open_unix_connection(str(path), limit=1 << 26))
        assert (await made.next()).kind == Kind.HELLO
        if ready:
            made.writer.write(made.connection.ready(Ready("test", token=token)))
        return made

    async def next(self) -> Frame:
        """The next frame."""
        while not self.frames:
            data = await soon(self.reader.read(1 << 16))
            assert data, "the host closed the connection"
            self.frames += self.connection.receive(data)
        return self.frames.pop(0)

    def begin(
        self, function: str, body: bytes = b"{}", *, codec: int = JSON, stream: bool = False, ms: int = 0, **more: Any
    ) -> int:
        """Send a CALL; its id."""
        call = next(self._ids)
        head = self.connection.stream_header if stream else self.connection.call_header
        self.writer.write(head(call, 0, codec, len(body), ms, meta.encode(function=function, **more)) + body)
        return call

    def feed(self, function: str, *items: bytes) -> int:
        """Send a CALL whose input stream follows, and some of it; its id."""
        call = next(self._ids)
        frame = Frame(Kind.CALL, Flag.INPUT, JSON, 0, call, 0, meta.encode(function=function), b"{}")
        self.writer.write(self.connection.flagged_header(frame) + frame.body)
        for item in items:
            self.writer.write(self.connection.item(call, JSON, item))
        return call

    async def call(self, function: str, body: bytes = b"{}", **more: Any) -> Frame:
        """The answer of a call that is alone on its connection."""
        call = self.begin(function, body, **more)
        answer = await self.next()
        assert answer.call == call
        return answer

    async def fault(self, function: str = "", body: bytes = b"{}", **more: Any) -> Fault:
        """The fault of such a call; without a name, the fault that comes next."""
        frame = await self.call(function, body, **more) if function else await self.next()
        assert frame.kind == Kind.FAULT, frame
        return load_fault(frame.body)

    async def ended(self) -> bool:
        """Whether the host closes; what it says before that is kept in `frames`."""
        try:
            while data := await soon(self.reader.read(1 << 16)):
                self.frames += self.connection.receive(data)
        except ConnectionResetError:
            pass
        return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
