"""Fuzz target of calls over WebSocket: whatever bytes a client sends, in any pieces, nothing breaks and nothing stays.

Each input is what follows a handshake. It goes through two connections, whole and in pieces: the function must be given
the same items, as far as both calls go, and nothing may be left in flight or held once the clients are gone.
`python tests/fuzz/websocket_call.py --seconds 5` mutates conversations at random, from a seed that it prints.
"""

from __future__ import annotations

import asyncio
import random
from functools import partial
from itertools import pairwise
from typing import Any

from lane_connections import LaneConnections
from mutation import fuzz, mutate

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.service import Pending, settle
from dragoman.core.target import Target
from dragoman.ingress.http.doors import Door
from dragoman.ingress.http.options import HttpOptions
from dragoman.wire.websocket import WebSocket

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
TOKENS = (b"\x81\x80", b"\x89", b"\x88", b"\xff", b"\x7f", b"\x00")


class Harness(LaneConnections):
    """A function that takes an input stream; each item is noted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, HttpOptions(body_bytes_max=MESSAGE_BYTES_MAX), self._app)
        self.items: list[Item] = []
        target = Target("fn.count", "fn", "count", 0, 5.0, idempotent=True, input_stream="values")
        self.doors.replace({"fn.count": Door(target, self._count, self.meter, {})})

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
        answer = await self.answer(pieces, HANDSHAKE)
        assert answer.startswith(b"HTTP/1.1 101 "), answer[:80]
        given = sum(map(len, pieces))
        assert len(answer) <= 2 * given + 2000, "nobody is made to write much more than was sent"
        return self.items


async def run_once(harness: Harness, data: bytes, chance: random.Random) -> None:
    """Feed one input whole and in pieces. Raises where the items differ, or where anything breaks."""
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 5)))
    whole = await harness.feed([data])
    parts = await harness.feed([data[start:end] for start, end in pairwise([0, *cuts, len(data)]) if start < end])
    # What breaks the rules ends the call, and with it what had come and was not read yet.
    shared = min(len(whole), len(parts))
    assert whole[:shared] == parts[:shared], (cuts, whole, parts)
    assert all(len(body) <= MESSAGE_BYTES_MAX for _, body in parts)


if __name__ == "__main__":
    fuzz(__doc__, partial(mutate, seeds=SEEDS, tokens=TOKENS), lambda loop: partial(run_once, Harness(loop)))
