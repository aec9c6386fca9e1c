"""Fuzz target of calls over WebSocket: whatever bytes a client sends, in any pieces, nothing breaks and nothing stays.

Each input is what follows a handshake. It goes through two connections, whole and in pieces: the function must be given
the same items, as far as both calls go, and nothing may be left in flight or held once the clients are gone.
`python tests/fuzz/websocket_call.py --seconds 5` mutates conversations at random, from a seed that it prints.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import socket
import sys
import time
from contextlib import suppress
from itertools import count, pairwise
from typing import Any

import uvloop
from uvicorn.config import Config
from uvicorn.server import ServerState

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, NotFound
from dragoman.core.service import Pending, settle
from dragoman.core.target import Target
from dragoman.ingress.http.doors import Door, Doors
from dragoman.ingress.http.lane import CallLane
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.http.protocol import CallProtocol
from dragoman.ingress.listener import Naming
from dragoman.telemetry.metrics import IngressMeter, Meter
from dragoman.telemetry.trace import Tracer
from dragoman.wire.websocket import WebSocket

TURNS = 8
"""Turns of the loop after which everything that needs no waiting has been answered."""
MESSAGE_BYTES_MAX = 2000
HANDSHAKE = (
    b"GET /v1/call/fn.count HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

Item = tuple[Codec, bytes]


def said(*messages: bytes | str, pings: int = 0, close: int = 0) -> bytes:
    """What a client sends: texts, binary messages, then pings and its close."""
    client = WebSocket(client=True, message_bytes_max=1 << 20)
    for message in messages:
        text = isinstance(message, str)
        client.send(message.encode() if isinstance(message, str) else message, text=text)
    for _ in range(pings):
        client.ping()
    if close:
        client.close(close, "so")
    return client.take()


SEEDS = [
    said("1", "2", "3", ""),
    said("1", b"\x02", b"", pings=3),
    said('{"a": "\u00fc\U0001f600"}', close=1000),
    said("x" * 200, "y" * (MESSAGE_BYTES_MAX - 100), ""),
    said("x" * (MESSAGE_BYTES_MAX + 1)),
    said(*["7"] * 40, ""),
    said("", "late"),
    said(pings=20, close=4001),
    b"\x01\x81\0\0\0\0a" + b"\x89\x80\0\0\0\0" + b"\x80\x81\0\0\0\0b" + said(""),
    b"\x81\xfe\xff\xff\0\0\0\0" + b"z" * 300,
    b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
    b"GET / HTTP/1.1\r\n\r\n" * 4,
]


class Silent:
    """Counts, and fails on nothing."""

    counts = IngressMeter()

    def failed(self, call: Call, fault: Fault) -> None:
        """Leave it."""


class Harness:
    """One lane, and connections to it one after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.items: list[Item] = []
        self.errors: list[Any] = []
        self.meter = Meter()
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        doors = Doors(NotFound)
        self.lane = CallLane(
            doors,
            HttpOptions(body_bytes_max=MESSAGE_BYTES_MAX),
            Tracer(lambda size: b"\x01" * size),
            SystemClock(),
            Naming("fuzz", "00000000", count(1).__next__),
            Silent(),
        )
        target = Target("fn.count", "fn", "count", 0, 5.0, idempotent=True, input_stream="values")
        doors.replace({"fn.count": Door(target, self._count, self.meter, {})})
        self.config = Config(
            self._app, ws="none", lifespan="off", log_config=None, interface="asgi3", proxy_headers=False
        )
        self.config.load()

    def _count(self, call: Call) -> Pending:
        return settle(self._counted(call))

    async def _counted(self, call: Call) -> Reply:
        assert call.input is not None, "a WebSocket brings the input"
        async for item in call.input:
            self.items.append(item)
        return Reply(b"%d" % len(self.items), Codec.JSON)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("an upgraded connection is nothing but its call")

    async def feed(self, pieces: list[bytes]) -> list[Item]:
        """The items that the function is given where a client sends these pieces."""
        self.items = []
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        state = ServerState()
        transport, protocol = await self.loop.connect_accepted_socket(
            lambda: CallProtocol(self.config, state, {}, self.loop, lane=self.lane), theirs
        )
        protocol.data_received(HANDSHAKE)
        answer = bytearray()
        for piece in pieces:
            if not transport.is_closing():
                protocol.data_received(piece)
            await self._hear(ours, answer)
        await self._hear(ours, answer)
        assert answer.startswith(b"HTTP/1.1 101 "), bytes(answer[:80])
        given = sum(map(len, pieces))
        assert len(answer) <= 2 * given + 2000, "nobody is made to write much more than was sent"
        ours.close()
        transport.abort()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert not self.errors, self.errors
        assert self.meter.in_flight == 0
        assert self.lane.held_bytes == 0
        return self.items

    async def _hear(self, sock: socket.socket, answer: bytearray) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
            with suppress(BlockingIOError, ConnectionResetError):
                answer += sock.recv(1 << 20)


async def run_once(harness: Harness, data: bytes, chance: random.Random) -> None:
    """Feed one input whole and in pieces. Raises where the items differ, or where anything breaks."""
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 5)))
    whole = await harness.feed([data])
    parts = await harness.feed([data[start:end] for start, end in pairwise([0, *cuts, len(data)]) if start < end])
    # What breaks the rules ends the call, and with it what had come and was not read yet.
    shared = min(len(whole), len(parts))
    assert whole[:shared] == parts[:shared], (cuts, whole, parts)
    assert all(len(body) <= MESSAGE_BYTES_MAX for _, body in parts)


def mutate(chance: random.Random) -> bytes:
    """One seed, bent: bytes changed, cut, doubled, or spliced with another seed."""
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = bytes((chance.randrange(256),))
            case 1:
                del data[at : at + chance.randint(1, 20)]
            case 2:
                data[at:at] = data[at : at + chance.randint(1, 80)]
            case 3:
                data[at:] = chance.choice(SEEDS)
            case 4 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case _:
                data += chance.choice(SEEDS)
    return bytes(data)


async def run_random(seconds: float, seed: int) -> int:
    """Mutate for some time; return how many inputs were run. On a bug, the input is on stderr."""
    chance = random.Random(seed)
    harness = Harness(asyncio.get_running_loop())
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        data = mutate(chance)
        number += 1
        try:
            await run_once(harness, data, chance)
        except BaseException:
            sys.stderr.write(f"seed {seed}, input {number}: {data!r}\n")
            raise
    return number


def main(arguments: list[str]) -> None:
    """Run the random mutations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    options = parser.parse_args(arguments)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        number = runner.run(run_random(options.seconds, options.seed))
    sys.stdout.write(f"seed {options.seed}: {number} inputs, no bug\n")


if __name__ == "__main__":
    main(sys.argv[1:])
