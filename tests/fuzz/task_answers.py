"""Fuzz target of what comes from outside about tasks: answers to callbacks and clients, callbacks' URLs, timetables.

Whatever comes is read or refused by the error that is meant for it, and what is read keeps what it promises: events
are the same however their bytes are cut, nobody is waited for without end, a moment is after the one before it, and no
text leads to a private address. `python tests/fuzz/task_answers.py --seconds 5` mutates seeds at random, from a seed
that it prints.
"""

from __future__ import annotations

import math
import random
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from mutation import fuzz, mutate

from dragoman.client.desk import TaskEvent, Trail
from dragoman.client.documents import document_of
from dragoman.client.native_desk import event_in
from dragoman.client.task import Seen
from dragoman.client.task_requests import Happening, Told
from dragoman.contract import codec
from dragoman.core.call import Codec
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault
from dragoman.tasks.callback import CallbackError, Outlet, Url, dump, load, parse
from dragoman.tasks.message import Message
from dragoman.tasks.reach import Reach
from dragoman.tasks.timetable import Cron, TimetableError
from dragoman.tasks.webhook import Patience, Webhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")
MOMENT_US_MAX = 250_000_000_000 * 1_000_000
MESSAGE = Message("m", {}, b"{}")
STATE = b'{"id":"0198f1a0-6c1e-7d2b-9c55-000000000001","state":"RUNNING","seq":2,"progress":0.5,"message":"half"}'
SEEDS = [
    b"id: 3\nevent: state\ndata: " + STATE + b'\n\nid: 4\nevent: log\ndata: {"seq":4,"message":"one"}\n\n: alive\n\n',
    b'event: progress\r\ndata: {"progress":1,"message":null}\r\n\r\n',
    b'event: fault\r\ndata: {"code":"UNAVAILABLE","detail":"away"}\r\n\r\n',
    b"id: 9\nevent: state\ndata: " + STATE.replace(b"RUNNING", b"DEAD").replace(b"2,", b"9,") + b"\n\n",
    STATE,
    b'{"tasks":[' + STATE + b'],"next":null}',
    b'{"logs":[],"deliveries":[]}',
    b'[3,"log",{"seq":3}]',
    *(b"120", b"Wed, 21 Oct 2026 07:28:00 GMT", b"Wed, 21 Oct 2026 07:28:00 -0000", b"Fri, 31 Dec 9999 23:59:59 +2359"),
    *(b"https://shop.example/hooks?a=b", b"http://[2001:db8::1]:81/", b"http://127.1/", b"http://[::ffff:7f00:1]/"),
    *(b"queue:results", b'"https://shop.example/"', b'{"queue":"results"}', b'{"url":"http://0x7f.1/"}'),
    *(b"30 2 * * mon-fri", b"*/15 0-6/2 1,15 jan-jun 7", b"0 0 29 2 *", b"0 0 L * 5#2", b"@daily"),
]
TOKENS = (
    b"\n",
    b"\r\n",
    b"id: " + b"9" * 5000 + b"\n",
    b"9" * 400,
    b"null",
    b'"',
    b"*",
    b"/",
    b"-",
    b"@",
    b"[::1]",
    b"#",
)


def happened(chunks: list[bytes]) -> list[TaskEvent] | str:
    """What a client makes of a stream of events, or why it gives up."""
    happening, trail = Happening(), Trail(0)
    seen = Seen({"id": "x", "state": "PENDING"})
    events: list[TaskEvent] = []
    happening.begin(200, {"content-type": "text/event-stream"})
    try:
        for chunk in chunks:
            for event in happening.feed(chunk):
                assert event.seq >= 0
                if trail.is_new(event):
                    seen.learn(event)
                events.append(event)
        happening.finish()
    except Fault as fault:
        return str(fault)
    assert isinstance(seen.state + seen.message, str)
    assert isinstance(seen.progress, float)
    trail.is_all(seen.document)
    return events


def told(data: bytes) -> None:
    """What a client makes of an answer."""
    asks: tuple[Callable[[Told], object], ...] = (Told.task, Told.page, partial(Told.documents, name="logs"))
    for ask in asks:
        answer = Told("", None, 1_000_000)
        answer.begin(200, {"content-type": "application/json"})
        with suppress(Fault):
            answer.gather(data)
            ask(answer)
    with suppress(Fault):
        event_in([int.from_bytes(data[:2]), "state", document_of(data)])
    with suppress(Fault, ValueError):
        event_in(codec.decode(data, Codec.JSON))


def called(text: str, stored: bytes) -> None:
    """What is made of a callback, as it was written and as it is kept."""
    for read in (partial(parse, text), partial(load, stored)):
        with suppress(CallbackError):
            callback = read()
            assert load(dump(callback)) == callback
            assert isinstance(callback, Outlet) or 0 < callback.port <= 65535


def timed(text: str, zone: str, moment: int) -> None:
    """What is made of a timetable."""
    with suppress(TimetableError):
        cron = Cron(text, zone)
        after = cron.after(moment)
        assert after == 0 or after > moment
        assert after % 60_000_000 == 0
        assert not after or cron.latest(moment, after) == after


class Answering:
    """A receiver of callbacks that answers as it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self.webhooks = Webhooks(self._post, self._resolve, Reach(), SystemClock(), Patience())

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, server_name: str, connect_s: float, /
    ) -> tuple[int, Mapping[str, str]]:
        assert (url, headers["host"], body, server_name) == ("http://8.8.8.8:80/", "a.example", b"{}", "a.example")
        assert connect_s > 0
        return self.status, self.headers

    async def _resolve(self, host: str, port: int, /) -> list[str]:
        assert (host, port) == ("a.example", 80)
        return ["8.8.8.8"]

    async def answer(self, status: int, text: str) -> None:
        """Have it answer so, and look at what is made of it."""
        self.status, self.headers = status, {"retry-after": text, "location": text}
        verdict = await self.webhooks(Url("http", "a.example", 80, "/"), MESSAGE)
        assert (verdict.why == "") == (200 <= status < 300)
        assert verdict.retry_after_s >= 0
        assert math.isfinite(verdict.retry_after_s)
        assert len(verdict.why) < 1000


async def run_once(answering: Answering, data: bytes, chance: random.Random) -> None:
    """Feed one input to all of them. Raises where anything breaks."""
    cut = chance.randrange(len(data) + 1)
    assert happened([data]) == happened([data[:cut], data[cut:]])
    told(data)
    text = data.decode("latin-1")
    called(text, data)
    timed(text, chance.choice(ZONES), chance.randrange(MOMENT_US_MAX))
    await answering.answer(chance.choice((200, 204, 302, 410, 429, 503, 599)), text)


if __name__ == "__main__":
    fuzz(__doc__, partial(mutate, seeds=SEEDS, tokens=TOKENS), lambda _: partial(run_once, Answering()))
