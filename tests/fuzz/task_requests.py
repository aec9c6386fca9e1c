"""Fuzzes everything that is asked of tasks over HTTP: headers, ids, filters, events by SSE and WebSocket.

The lane, the routes and the tasks are the real ones, over a store in memory. Whatever comes is answered, none of it
with a 5xx but 501, and a client that has left leaves nobody who waits. What the parsers find in a header or a query is
checked besides. `python tests/fuzz/task_requests.py --seconds 5` mutates requests at random, from a seed that it
prints.
"""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import suppress
from functools import partial
from itertools import pairwise

from lane_connections import LaneConnections
from mutation import fuzz, mutate

from dragoman.core.call import Call
from dragoman.core.clock import SystemClock
from dragoman.core.draft import whole
from dragoman.core.fault import InvalidArgument
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.host.doors import HostTasks
from dragoman.ingress.http.asking import behind, listing, waiting
from dragoman.ingress.http.board import Board
from dragoman.ingress.http.catalogue import FunctionEntry
from dragoman.ingress.http.doors import Door
from dragoman.ingress.http.later import WAIT_S_MAX, WISHES, Wishes
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.http.preference import preferences
from dragoman.ingress.http.routes import build
from dragoman.ingress.http.tasks import PAGE_MAX
from dragoman.tasks.options import TaskOptions
from dragoman.tasks.tasks import Tasks
from dragoman.tasks.watching import Watching
from dragoman.telemetry.metrics import Metrics
from dragoman.testing.task_memory import MemoryStore

STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) ")
TURNS = 40
"""Turns of the loop after which the application has answered, and has let go of a client that left."""
TASKS_MAX = 30
"""In one store: that in memory looks at all of them for every question."""


def request(method: bytes, target: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    more = b"".join(line + b"\r\n" for line in lines)
    head = b"%b %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % (method, target, len(body))
    return head + more + b"\r\n" + body


def task_id(number: int) -> str:
    return f"0198f1a0-6c1e-7d2b-9c55-{number:012x}"


ONE = b"/v1/tasks/%b" % task_id(1).encode()
PREFER = b"Prefer: respond-async"
UPGRADE = (
    *(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
SEEDS = [
    request(b"POST", b"/v1/call/fn.f", PREFER, body=b"{}"),
    request(b"POST", b"/v1/call/fn.f", PREFER + b", wait=1", b"Idempotency-Key: k", body=b"{}") * 2,
    request(b"POST", b"/v1/call/fn.f", b"Dragoman-Task-Deadline: 2h", b"Dragoman-Timeout: 1s", body=b"{}"),
    request(b"POST", b"/v1/call/fn.f", PREFER, b"Dragoman-Task-Delay: 10m", b"Dragoman-Task-Attempts: 2", body=b"{}"),
    request(b"POST", b"/v1/call/fn.f", b'Prefer: x="a, \\"b", Respond-Async; y=z', b"Dragoman-Callback: https://x/"),
    request(b"GET", b"/v1/call/fn.f?a=1", PREFER),
    request(b"GET", ONE, b'If-None-Match: "1", W/"2"') + request(b"GET", ONE + b"?wait=1ms"),
    request(b"GET", ONE + b"?wait=1m"),
    request(b"GET", ONE + b"/result?wait=10s", b"Accept: application/msgpack;q=0.5, */*"),
    request(b"GET", ONE + b"/events", b"Last-Event-ID: 1") + request(b"GET", ONE),
    request(b"GET", ONE + b"/events?after=0").replace(b"1.1", b"1.0"),
    request(b"GET", ONE + b"/events?after=1", *UPGRADE) + b"\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e",
    request(b"GET", ONE + b"/logs?after=7") + request(b"HEAD", ONE) + request(b"OPTIONS", ONE),
    request(b"DELETE", ONE) + request(b"POST", ONE + b"/retry"),
    request(b"GET", b"/v1/tasks?state=FAILED,DEAD&state=PENDING&function=fn.f&caller=a%20b&limit=7"),
    request(b"GET", b"/v1/tasks?parent=%b&before=%b&schedule=x" % (task_id(1).encode(), task_id(2).encode())),
    request(b"GET", b"/v1/tasks/deliveries?state=dead") + request(b"POST", b"/v1/tasks/deliveries/d-1/retry"),
]
TOKENS = (b"\r\n", b"%00", b"&", b"=", b",", b";", b'"', b"\\", b"?", b"9", b"-")


class Harness(LaneConnections):
    """One function, which is only ever stored."""

    backlog = 1_000_000
    present = True
    service = "fuzz"
    version = 1

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        clock = SystemClock()
        self.watching = Watching()
        self.renew()
        tasks = Tasks(self, self, self.watching, clock, self._next_id, self._callback)
        self.board = Board(HostTasks(tasks), clock)
        options = HttpOptions(body_bytes_max=1000, header_bytes_max=2000)
        super().__init__(loop, options, build(self, Metrics("0"), self, self.board))
        self.lane.board = self.board
        target = Target("fn.f", "fn", "f", 0, 5.0, idempotent=True, raw_input=True)
        self.doors.replace({"fn.f": Door(target, self._run, self.meter, {})})

    def renew(self) -> None:
        """Begin with an empty store, whose first task has the first id again."""
        self.made = 0
        self.store = MemoryStore()
        self.store.listen(self.watching.heard)

    def _next_id(self) -> str:
        self.made += 1
        return task_id(self.made)

    # What the parts ask for

    async def open(self) -> MemoryStore:
        await self.store.open()
        return self.store

    def due(self, at_us: int) -> None:
        """Nobody runs anything."""

    async def admit(self, call: Call) -> TaskOptions:
        call.body = bytes(whole(call.body))
        return TaskOptions()

    def options(self, function: str) -> TaskOptions:
        return TaskOptions()

    async def _callback(self, callback: bytes) -> bytes:
        return callback

    def functions(self) -> dict[str, FunctionEntry]:
        return {}

    def messages(self) -> dict[str, object]:
        return {}

    def ready(self) -> tuple[bool, dict[str, str]]:
        return True, {}

    def _run(self, call: Call) -> Pending:
        return Pending.failed(InvalidArgument("it was run"))

    async def feed(self, data: bytes, cuts: list[int]) -> list[bytes]:
        """The statuses of the answers, and nothing left once the client has gone."""
        if self.made > TASKS_MAX:
            self.renew()
        pieces = [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)]) if start < end]
        said = await self.answer(pieces)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert self.board.watched == 0, "somebody still waits"
        return STATUS.findall(said)


def parsed(data: bytes) -> None:
    """What the parsers make of the text of a request: something within its bounds, or a refusal."""
    for line in data.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        assert len(preferences(value)) <= 1 + value.count(b",")
        if (name := name.lower()) in WISHES:
            wishes = Wishes()
            try:
                wishes.take(name, value)
                later = wishes.later(1.0)
            except ValueError:
                continue
            assert later is None or 0 <= later.wait_s <= WAIT_S_MAX
        query = line.partition(b"?")[2].partition(b" ")[0].decode("latin-1")
        with suppress(InvalidArgument):
            assert 0 < listing(query).limit <= PAGE_MAX
        with suppress(InvalidArgument):
            assert 0 <= waiting(query) <= WAIT_S_MAX
        with suppress(InvalidArgument):
            assert behind(query, value.decode("latin-1")) >= 0


async def run_once(harness: Harness, data: bytes, chance: random.Random) -> None:
    """Feed one input. Raises where anything breaks."""
    parsed(data)
    cuts = [chance.randrange(len(data) + 1) for _ in range(chance.randint(0, 3))]
    statuses = await harness.feed(data, cuts)
    assert not [status for status in statuses if status.startswith(b"5") and status != b"501"], statuses


if __name__ == "__main__":
    fuzz(__doc__, partial(mutate, seeds=SEEDS, tokens=TOKENS), lambda loop: partial(run_once, Harness(loop)))
