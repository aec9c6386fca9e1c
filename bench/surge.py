"""More calls than a server can run, at random moments: `python -m bench.surge URL SECONDS critical=400 normal=2400 …`.

The load is open: calls come at their moments whether others have been answered or not, as those of many callers do
(Schroeder, Wierman and Harchol-Balter, "Open versus closed", NSDI 2006), and latency counts from the moment a call was
to be sent, so that a late client hides nothing. A process apart, as in `bench.caller`; prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

TICK_S = 0.0005
"""How often calls that are due are sent."""
CONNECTIONS_MAX = 500
"""For each priority: more calls than any server here has in flight."""
SETTLE_S = 3.0
"""How long the load lasts before it is measured: limits that follow it have found their place by then."""
LAST_S = 5.0
"""How long the last answers may take."""
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


class Answers:
    """What the callers of one priority saw; latencies in seconds, of calls that succeeded."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.refused = 0
        self.failed = 0

    def take(self, status: bytes, seconds: float) -> None:
        """Count an answer."""
        if status == b"200":
            self.latencies_s.append(seconds)
        elif status == b"429":
            self.refused += 1
        else:
            self.failed += 1

    def figures(self, seconds: float) -> dict[str, float]:
        """What they saw, of a load of so many seconds."""
        times = sorted(self.latencies_s)
        calls = len(times) + self.refused + self.failed
        return {
            "offered_s": calls / seconds,
            "good_s": len(times) / seconds,
            "success": len(times) / calls if calls else 0.0,
            "failed": self.failed,
            "p50_us": times[len(times) // 2] * 1e6 if times else 0.0,
            "p99_us": times[int(len(times) * 0.99)] * 1e6 if times else 0.0,
        }


class Connection(asyncio.Protocol):
    """One call at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._transport: asyncio.WriteTransport | None = None
        self._part: bytes = b""
        self._due_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready for a call."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._source.free(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the standard library's signature
        """A server that hangs up has failed the call."""
        self._source.lost(self._due_at)

    def send(self, request: bytes, due_at: float) -> None:
        """Call."""
        assert self._transport is not None, "it is free"
        self._due_at = due_at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read an answer."""
        data = self._part + data if self._part else data
        end = data.find(HEAD_END)
        at = data.find(LENGTH, 0, end) + len(LENGTH)
        if end < 0 or len(data) < end + len(HEAD_END) + int(data[at : data.find(b"\r", at)]):
            self._part = data
            return
        self._part = b""
        due_at, self._due_at = self._due_at, 0.0
        self._source.answered(data[9:12], due_at)
        self._source.free(self)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


class Source:
    """The callers of one priority."""

    def __init__(self, url: str, priority: str, rate_s: float) -> None:
        parts = urlsplit(url)
        self.place = (parts.hostname or "", parts.port or 80)
        self._request = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Dragoman-Priority: {priority}\r\nContent-Length: 2\r\n\r\n{{}}"
        ).encode()
        self._rate_s = rate_s
        self._random = random.Random(priority)  # the same moments in every run
        self._idle: deque[Connection] = deque()
        self._late: deque[float] = deque()
        self._made: list[Connection] = []
        self._opening: set[asyncio.Future[Any]] = set()
        self._next_at = self._measured_from = 0.0
        self._until = 0.0
        self.open = 0
        self.answers = Answers()

    def begin(self, now: float, seconds: float) -> None:
        """Call from now on; what is due after `SETTLE_S` is measured, for so many seconds."""
        self._next_at, self._measured_from = now, now + SETTLE_S
        self._until = self._measured_from + seconds

    def tick(self, now: float) -> None:
        """Send what is due."""
        while self._next_at <= now and self._next_at < self._until:
            self.open += 1
            if self._idle:
                self._idle.pop().send(self._request, self._next_at)
            else:
                self._late.append(self._next_at)
                self._connect()
            self._next_at += self._random.expovariate(self._rate_s)

    def free(self, connection: Connection) -> None:
        """Use a connection for who waits longest."""
        if self._late:
            connection.send(self._request, self._late.popleft())
        else:
            self._idle.append(connection)

    def answered(self, status: bytes, due_at: float) -> None:
        """Count an answer to what was due at a moment."""
        self.open -= 1
        if due_at >= self._measured_from:
            self.answers.take(status, time.perf_counter() - due_at)

    def lost(self, due_at: float) -> None:
        """Count what was on a connection that is gone."""
        if due_at:
            self.answered(b"", due_at)

    def close(self) -> None:
        """Hang up."""
        for connection in self._made:
            connection.close()

    def _connect(self) -> None:
        if len(self._made) >= CONNECTIONS_MAX:
            return
        connection = Connection(self)
        self._made.append(connection)
        loop = asyncio.get_running_loop()
        opening = asyncio.ensure_future(loop.create_connection(lambda: connection, *self.place))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)


async def surge(url: str, seconds: float, rates_s: dict[str, float]) -> dict[str, dict[str, float]]:
    """Call at these rates by priority for so many seconds; what each saw."""
    sources = {priority: Source(url, priority, rate_s) for priority, rate_s in rates_s.items()}
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for source in sources.values():
        source.begin(began, seconds)
    end = began + SETTLE_S + seconds
    done = loop.create_future()

    def tick() -> None:
        now = time.perf_counter()
        for source in sources.values():
            source.tick(now)
        if now < end or (now < end + LAST_S and any(source.open for source in sources.values())):
            loop.call_later(TICK_S, tick)
        else:
            done.set_result(None)

    tick()
    await done
    for source in sources.values():
        source.close()
    return {priority: source.answers.figures(seconds) for priority, source in sources.items()}


def main(url: str, seconds: float, *rates: str) -> None:
    """Run one load and print what its callers saw."""
    import uvloop  # noqa: PLC0415 - an extra of the machine that measures

    parsed = {name: float(rate) for name, _, rate in (each.partition("=") for each in rates)}
    work = partial(surge, url, seconds, parsed)
    print(json.dumps(uvloop.run(work())), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
