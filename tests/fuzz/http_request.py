"""Fuzz target of the call lane: whatever bytes come, in whatever pieces, they mean the same, and nothing breaks.

Each input goes through several connections: whole and in pieces, with heads that are known and with none. All must make
the same calls and give the same answers, none of them a 5xx. `python tests/fuzz/http_request.py --seconds 5` mutates
requests at random, from a seed that it prints.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count, pairwise
from typing import Any

import uvloop
from uvicorn.config import Config
from uvicorn.server import ServerState

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.clock import SystemClock
from dragoman.core.draft import whole
from dragoman.core.fault import Fault, InvalidArgument, NotFound
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.ingress.http.doors import Door, Doors
from dragoman.ingress.http.lane import CallLane
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.http.protocol import CallProtocol
from dragoman.ingress.listener import Naming
from dragoman.telemetry.metrics import IngressMeter, Meter
from dragoman.telemetry.trace import Tracer

TURNS = 6
"""Turns of the loop after which everything that needs no waiting has been answered."""
HEAD = b" /v1/call/%b HTTP/1.1\r\nHost: localhost\r\n"
STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) ")


def request(path: bytes, body: bytes, *lines: bytes, method: bytes = b"POST") -> bytes:
    more = b"".join(line + b"\r\n" for line in lines)
    return method + HEAD % path + b"Content-Length: %d\r\n" % len(body) + more + b"\r\n" + body


CHUNKED = (
    b"POST" + HEAD % b"fn.echo" + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: y\r\n\r\n"
)
SEEDS = [
    request(b"fn.echo", b"{}"),
    request(b"fn.echo", b"{}") * 3,
    request(b"fn.echo", b"x" * 300, b"Content-Type: application/json", b"Accept: */*"),
    request(b"fn.echo", b"{}", b"Connection: close") + request(b"fn.echo", b"{}"),
    request(b"fn.echo", b"{}", b"Connection: Upgrade", b"Upgrade: h2c") + request(b"fn.echo", b"[]"),
    request(b"fn.echo", b"{}", b"Expect: 100-continue"),
    request(b"fn.echo", b"{}", b"Dragoman-Timeout: 2s", b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
    request(b"fn.echo?a=1&b=%20", b"", method=b"GET"),
    request(b"fn.none", b"{}") + request(b"fn.refuse", b"{}"),
    request(b"fn.echo", b"", method=b"HEAD") + request(b"fn.echo", b"", method=b"OPTIONS"),
    CHUNKED + CHUNKED,
    CHUNKED + request(b"fn.echo", b"{}"),
    b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n" + request(b"fn.echo", b"{}"),
    request(b"fn.echo", b"{}").replace(b"/v1", b"http://localhost/v1"),
    b"POST /v1/call/fn.echo HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
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
        self.calls: list[tuple[bytes, Codec]] = []
        self.errors: list[Any] = []
        self.meter = Meter()
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        doors = Doors(NotFound)
        self.lane = CallLane(
            doors,
            HttpOptions(body_bytes_max=1000, header_bytes_max=2000),
            Tracer(lambda size: b"\x01" * size),
            SystemClock(),
            Naming("fuzz", "00000000", count(1).__next__),
            Silent(),
        )
        functions = {"fn.echo": self._echo, "fn.refuse": self._refuse}
        doors.replace({name: self._door(name, service) for name, service in functions.items()})
        self.config = Config(
            self._app, ws="none", lifespan="off", log_config=None, interface="asgi3", proxy_headers=False
        )
        self.config.load()

    def _door(self, name: str, service: Callable[[Call], Pending]) -> Door:
        return Door(Target(name, "fn", name[3:], 0, 5.0, idempotent=True, raw_input=True), service, self.meter, {})

    def _echo(self, call: Call) -> Pending:
        self.calls.append((bytes(whole(call.body)), call.codec))
        pending = Pending()
        pending.resolve(Reply(whole(call.body), call.reply_codec))
        return pending

    def _refuse(self, call: Call) -> Pending:
        self.calls.append((bytes(whole(call.body)), call.codec))
        return Pending.failed(InvalidArgument("no"))

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def feed(self, pieces: list[bytes]) -> tuple[list[tuple[bytes, Codec]], list[bytes]]:
        """The calls that pieces of input make, and the statuses of the answers."""
        self.calls = []
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        state = ServerState()
        transport, protocol = await self.loop.connect_accepted_socket(
            lambda: CallProtocol(self.config, state, {}, self.loop, lane=self.lane), theirs
        )
        said = b""
        for piece in pieces:
            if not transport.is_closing():
                protocol.data_received(piece)
            said += await self._hear(ours)
        said += await self._hear(ours)
        ours.close()
        transport.abort()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert not self.errors, self.errors
        assert self.meter.in_flight == 0
        assert self.lane.held_bytes == 0
        return self.calls, STATUS.findall(said)

    async def _hear(self, sock: socket.socket) -> bytes:
        said = b""
        for _ in range(TURNS):
            await asyncio.sleep(0)
            with suppress(BlockingIOError, ConnectionResetError):
                said += sock.recv(1 << 20)
        return said


async def run_once(harness: Harness, data: bytes, chance: random.Random) -> None:
    """Feed one input in several ways. Raises where they differ, or where anything breaks."""
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 4)))
    edges = [0, *cuts, len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges) if start < end]
    harness.lane.heads.clear()
    calls, statuses = await harness.feed([data])
    assert not [status for status in statuses if status.startswith(b"5") and status != b"501"], statuses
    again = await harness.feed([data])
    assert again == (calls, statuses), ("known heads", calls, statuses, *again)
    for heads in ("known", "unknown"):
        if heads == "unknown":
            harness.lane.heads.clear()
        split = await harness.feed(pieces)
        assert split == (calls, statuses), (heads, cuts, calls, statuses, *split)


def mutate(chance: random.Random) -> bytes:
    """One seed, bent: bytes changed, cut, doubled, or spliced with another seed."""
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = bytes((chance.randrange(256),))
            case 1:
                del data[at : at + chance.randint(1, 40)]
            case 2:
                data[at:at] = data[at : at + chance.randint(1, 80)]
            case 3:
                data[at:] = chance.choice(SEEDS)
            case 4:
                data[at:at] = chance.choice((b"\r\n", b"\n", b"\r\n\r\n", b" ", b"\t", b":", b"0", b"\x00"))
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
