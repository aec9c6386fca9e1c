"""Redis Streams as a way in: messages that are there already, to a Python function, acknowledged when handled."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from bench import queueing
from bench.comparisons.tasks import valkey
from bench.contest import contest
from bench.outcome import Comparison
from bench.runs import Runs, rate_of
from bench.system import Missing, running

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from bench.contest import Contestant, Turn
    from bench.outcome import Plan, Sample

NAME = "streams"
OURS, FASTSTREAM, BARE = "Dragoman", "FastStream", "read and acknowledge, nothing else"
FASTSTREAM_LEAST, BARE_MOST = 5, 2
STREAM, GROUP, BATCH = "numbers", "bench", 64
FILL_BATCH = 1000
ACKNOWLEDGED_S_MAX = 5.0


def run(plan: Plan) -> Iterator[Comparison]:
    """Measure a consumer at a time: each turn starts one, for messages that are there."""
    count = 5_000 if plan.quick else 30_000
    consumers = {OURS: _ours, FASTSTREAM: _faststream, BARE: _bare}
    contestants: dict[str, Contestant] = {name: partial(_contestant, each, count) for name, each in consumers.items()}
    found = contest(Comparison(f"Redis Streams in, {count:,} messages"), contestants, plan.turns)
    ours = found.ratio("messages_s", OURS, FASTSTREAM)
    found.aim("messages/s over FastStream, the same handler in Python", ours, "at least", FASTSTREAM_LEAST)
    bare = found.ratio("messages_s", BARE, OURS)
    found.aim(f"a bare loop in batches of {BATCH} over ours", bare, "at most", BARE_MOST)
    found.notes += [
        "messages/s: from the first that is handled to the last; starting the consumer does not count",
        "Dragoman and FastStream promise: at least once, acknowledged after the handler; ours runs it in workers",
    ]
    yield found


@contextlib.contextmanager
def _contestant(consume: Callable[[str, Any, int], Sample], count: int) -> Generator[Turn]:
    try:
        from redis import Redis  # noqa: PLC0415 - an extra of the machine that measures
    except ImportError as error:
        raise Missing("redis is not installed: uv sync --group bench") from error
    with valkey() as url, Redis.from_url(url) as client:
        yield partial(consume, url, client, count)


def _ours(url: str, client: Any, count: int) -> Sample:
    with queueing.place() as folder:
        runs = Runs(folder / "runs")
        _fill(client, {"body": queueing.noting(runs).body}, count)
        table = f'[queues.numbers]\nurl = "{url}"\nfrom = "{STREAM}"\ngroup = "{GROUP}"\nfunction = "noted.note"\n'
        with queueing.host(folder, table):
            return _handled(runs, client, count)


def _faststream(url: str, client: Any, count: int) -> Sample:
    with queueing.place() as folder:
        runs = Runs(folder / "runs")
        body = json.loads(queueing.noting(runs).body)
        _fill(client, {"__data__": _framed(body)}, count)
        with running([sys.executable, "-m", "bench.peers.faststream_app", url, STREAM, GROUP]) as child:
            if not runs.wait(1):
                raise RuntimeError(f"it handled nothing: {child.tail()}")
            return _handled(runs, client, count)


def _framed(body: Any) -> bytes:
    from faststream.redis import BinaryMessageFormatV1  # noqa: PLC0415 - an extra of the machine that measures

    framing = BinaryMessageFormatV1.encode(message=body, reply_to=None, headers={}, correlation_id="bench")
    return asyncio.run(framing)


def _bare(_: str, client: Any, count: int) -> Sample:
    _fill(client, {"body": b"{}"}, count)
    begun, done = time.perf_counter(), 0
    while done < count:
        ((_stream, entries),) = client.xreadgroup(GROUP, "one", {STREAM: ">"}, count=BATCH)
        done += client.xack(STREAM, GROUP, *[id_ for id_, _fields in entries])
    return {"messages_s": count / (time.perf_counter() - begun)}


def _fill(client: Any, fields: dict[str, bytes], count: int) -> None:
    """Have so many messages wait."""
    client.flushall()
    client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    pipeline = client.pipeline(transaction=False)
    for number in range(1, count + 1):
        pipeline.xadd(STREAM, fields)
        if number % FILL_BATCH == 0 or number == count:
            pipeline.execute()


def _handled(runs: Runs, client: Any, count: int) -> Sample:
    if not runs.wait(count):
        raise RuntimeError(f"of {count} messages {runs.count()} were handled")
    rate = rate_of(runs.since(0)[:count])
    until = time.monotonic() + ACKNOWLEDGED_S_MAX
    while pending := client.xpending(STREAM, GROUP)["pending"]:
        if time.monotonic() > until:
            raise RuntimeError(f"{pending} messages were handled and not acknowledged")
        time.sleep(0.05)
    return {"messages_s": rate}
