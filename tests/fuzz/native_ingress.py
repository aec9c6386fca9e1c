"""Fuzz target of the native ingress: whatever bytes a client sends, in any pieces, nothing breaks and nothing stays.

Each input goes through two connections, whole and in pieces; both must make the same calls, unless a rule is broken
within one read that is none in two (an id used again, say, whose first call has been answered meanwhile). Nothing may
be left in flight or held once they are gone. `python tests/fuzz/native_ingress.py --seconds 5` mutates conversations
at random, from a seed that it prints.
"""

from __future__ import annotations

import asyncio
import random
from functools import partial
from itertools import count, pairwise
from typing import Any

from mutation import fuzz, mutate

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.clock import SystemClock
from dragoman.core.draft import whole
from dragoman.core.fault import Fault, InvalidArgument, NotFound
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.ingress.listener import Naming
from dragoman.ingress.native.doors import Door, Doors
from dragoman.ingress.native.guard import Guard
from dragoman.ingress.native.lane import NativeLane
from dragoman.ingress.native.options import NativeOptions
from dragoman.ingress.native.protocol import NativeProtocol
from dragoman.telemetry.metrics import IngressMeter, Meter
from dragoman.telemetry.trace import Tracer
from dragoman.wire import meta
from dragoman.wire.connection import Connection
from dragoman.wire.decoder import Decoder
from dragoman.wire.frame import GUEST_BIT, Flag, Frame, Kind, encode
from dragoman.wire.handshake import Hello, Ready
from dragoman.wire.state import Role

TURNS = 8
"""Turns of the loop after which everything that needs no waiting has been answered."""
ONE = GUEST_BIT + 1


def named(function: str, call: int = ONE, flags: int = 0, body: bytes = b"{}") -> bytes:
    return encode(Frame(Kind.CALL, flags, Codec.JSON, 0, call, 0, meta.encode(function=function), body))


def _ready() -> bytes:
    client = Connection(Role.CLIENT)
    client.receive(Connection(Role.SERVER).hello(Hello("fuzz")))
    return client.ready(Ready("fuzz"))


READY = _ready()
SEEDS = [
    READY + named("fn.echo"),
    READY + b"".join(named("fn.echo", GUEST_BIT + number) for number in range(1, 9)),
    READY + named("fn.echo", flags=Flag.CHECKSUM),
    READY + named("fn.none") + named("fn.refuse", ONE + 1),
    READY + named("fn.held") + encode(Frame(Kind.CANCEL, call=ONE)),
    READY + named("fn.stream", flags=Flag.STREAM) + encode(Frame(Kind.CREDIT, call=ONE, amount=100)),
    READY
    + named("fn.echo", flags=Flag.INPUT)
    + encode(Frame(Kind.ITEM, codec=Codec.JSON, call=ONE, body=b"1"))
    + encode(Frame(Kind.END, call=ONE)),
    READY + encode(Frame(Kind.PING, body=b"12345678")) + encode(Frame(Kind.BYE)),
    READY + named("fn.echo", body=b"x" * 3000) + named("fn.echo", ONE + 1),
    named("fn.echo") + READY,
    b"GET / HTTP/1.1\r\n\r\n" * 10,
]
TOKENS = (b"\0" * 4, b"\xff" * 4, b"\1\0\0\0", bytes(range(40)), b"fn.")


class Items:
    """Three items, then the end."""

    def __init__(self) -> None:
        self._left = 3

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return b"1"

    async def aclose(self) -> None:
        """Nothing is held."""


class Silent:
    """Counts, and fails on nothing."""

    counts = IngressMeter()

    def failed(self, call: Call, fault: Fault) -> None:
        """Leave it."""


class Wire(asyncio.Transport):
    """A transport whose other side reads everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.said = bytearray()

    def write(self, data: Any) -> None:
        assert not self.closed, "nothing is written to a transport that is closed"
        self.said += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As much as comes."""

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Never asked for."""

    def resume_reading(self) -> None:
        """Never asked for."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The socket, as far as a guard looks at it."""
        return _Own() if name == "socket" else default


class _Own:
    """A socket whose peer is this process."""

    def getsockopt(self, _level: int, _option: int, size: int, /) -> bytes:
        return bytes(size)


class Harness:
    """One lane, and connections to it one after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self.errors: list[Any] = []
        self.held: list[Pending] = []
        self.meter = Meter()
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        doors = Doors(NotFound, {})
        self.lane = NativeLane(
            doors,
            NativeOptions(body_bytes_max=2000),
            Tracer(lambda size: b"\x01" * size),
            SystemClock(),
            Naming("fuzz", "00000000", count(1).__next__, "fuzz"),
            Silent(),
        )
        self.guard = Guard()
        self.clients: set[NativeProtocol] = set()
        services = {"echo": self._echo, "refuse": self._refuse, "held": self._held, "stream": self._stream}
        doors.replace(
            {
                f"fn.{name}": Door(
                    Target(f"fn.{name}", "fn", name, 0, 5.0, streaming=name == "stream"), run, self.meter
                )
                for name, run in services.items()
            }
        )

    def _echo(self, call: Call) -> Pending:
        pending = Pending()
        pending.resolve(Reply(whole(call.body), call.reply_codec))
        self.calls.append(("echo", bytes(whole(call.body))))
        return pending

    def _refuse(self, call: Call) -> Pending:
        self.calls.append(("refuse", bytes(whole(call.body))))
        return Pending.failed(InvalidArgument("no"))

    def _held(self, call: Call) -> Pending:
        self.calls.append(("held", bytes(whole(call.body))))
        pending = Pending()
        pending.on_cancel = lambda: pending.fail(Fault.cancelled("left"))
        self.held.append(pending)
        return pending

    def _stream(self, call: Call) -> Pending:
        self.calls.append(("stream", bytes(whole(call.body))))
        pending = Pending()
        pending.resolve(Reply(b"", Codec.JSON, Items()))
        return pending

    def _run(self, pieces: list[bytes]) -> tuple[list[tuple[str, bytes]], bool]:
        """Play one connection; the calls that it made, and whether it was closed."""
        self.calls = []
        wire = Wire()
        protocol = NativeProtocol(self.lane, self.guard, self.clients)
        protocol.connection_made(wire)
        for piece in pieces:
            if wire.closed:
                break
            protocol.data_received(piece)
        gone = protocol.gone
        protocol.connection_lost(None)
        decoder = Decoder()
        said = decoder.feed(bytes(wire.said))
        assert said[0].kind == Kind.HELLO, "what it says are frames, from the greeting on"
        assert not decoder.missing_bytes, "and whole ones"
        return self.calls, gone

    def check(self, data: bytes) -> None:
        """Raise `AssertionError` where the pieces make a difference, or where anything broke."""
        whole = self._run([data])
        draw = random.Random(data)
        cuts = sorted({0, *(draw.randrange(len(data) + 1) for _ in range(6)), len(data)})
        parts = self._run([data[a:b] for a, b in pairwise(cuts)])
        shared = min(len(parts[0]), len(whole[0]))
        assert parts[0][:shared] == whole[0][:shared], "how the bytes are cut makes no difference"
        assert parts == whole or whole[1], "but where the client was closed"
        assert not self.errors, self.errors[0]

    async def settled(self) -> None:
        """Once all have gone, nothing is left."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert not self.clients
        assert (self.lane.held_bytes, self.lane.counts.connections) == (0, 0)
        assert self.meter.in_flight == 0
        assert all(pending.done for pending in self.held)
        assert not self.errors, self.errors[0]


async def run_once(harness: Harness, data: bytes, chance: random.Random) -> None:
    """Play one conversation, and let those before it come to their ends at times. Raises where anything breaks."""
    harness.check(data)
    if not chance.randrange(100):
        await harness.settled()


if __name__ == "__main__":
    fuzz(__doc__, partial(mutate, seeds=SEEDS, tokens=TOKENS), lambda loop: partial(run_once, Harness(loop)))
