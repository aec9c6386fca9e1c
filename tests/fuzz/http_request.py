"""Fuzz target of the call lane: whatever bytes come, in whatever pieces, they mean the same, and nothing breaks.

Each input goes through several connections: whole and in pieces, with heads that are known and with none. All must make
the same calls and give the same answers, none of them a 5xx. `python tests/fuzz/http_request.py --seconds 5` mutates
requests at random, from a seed that it prints.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from lane_connections import LaneConnections
from mutation import fuzz, mutate

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.draft import whole
from dragoman.core.fault import InvalidArgument
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.ingress.http.doors import Door
from dragoman.ingress.http.options import HttpOptions

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
TOKENS = (b"\r\n", b"\n", b"\r\n\r\n", b" ", b"\t", b":", b"0", b"\x00")


class Harness(LaneConnections):
    """A function that echoes and one that refuses; each call is noted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, HttpOptions(body_bytes_max=1000, header_bytes_max=2000), self._app)
        self.calls: list[tuple[bytes, Codec]] = []
        functions = {"fn.echo": self._echo, "fn.refuse": self._refuse}
        self.doors.replace({name: self._door(name, service) for name, service in functions.items()})

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
        said = await self.answer(pieces)
        return self.calls, STATUS.findall(said)


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


if __name__ == "__main__":
    fuzz(__doc__, partial(mutate, seeds=SEEDS, tokens=TOKENS), lambda loop: partial(run_once, Harness(loop)))
