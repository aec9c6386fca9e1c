"""The whole stack around real functions: who leaves when, what fails how, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import Code, Fault
from dragoman.core.service import Pending, settle
from dragoman.host.host import Host
from dragoman.policies.surroundings import Policy
from tests.integration.conftest import Write, hosted, pool_of, soon
from tests.integration.web import Web, eventually, serving

WORK = """
import asyncio
import os
import pathlib
import time
from collections.abc import Iterator

from dragoman import Batch, Unavailable, function

HERE = pathlib.Path(os.environ["HERE"])

def ran(name: str) -> int:
    path = HERE / name
    with path.open("a") as runs:
        runs.write("x")
    return path.stat().st_size

async def quick(n: int = 0) -> int:
    ran("quick")
    return n

async def slow(n: int = 0, s: float = 0.3) -> int:
    ran("slow")
    await asyncio.sleep(s)
    return n

async def down(n: int = 0) -> int:
    ran("down")
    raise Unavailable("it is down")

async def half(n: int = 0) -> int:
    if ran("half") % 2:
        raise Unavailable("every other time")
    return n

async def ill(n: int = 0) -> int:
    ran("ill")
    while (HERE / "hold").exists():
        await asyncio.sleep(0.005)
    if not (HERE / "well").exists():
        raise Unavailable("it is ill")
    return n

def numbers(n: int = 1000) -> Iterator[int]:
    for each in range(n):
        time.sleep(0.005)
        yield each

@function(batch=Batch(max=64, delay="200ms"), idempotent=True)
async def together(xs: list[int]) -> list[int]:
    await asyncio.sleep(0.2)
    return xs
"""
EVERYTHING = """
[defaults]
timeout = "5s"
rate = {{ limit = "100000/s", caller_limit = "100000/s", total_limit = "100000/s" }}
idempotency = "1h"
cache = {{ ttl = "1h", stale = "1h", stale_if_error = "1ms" }}
coalesce = true
shed = {{ first = 2000, most = 4000 }}
retry = {{ attempts = 3, base = "1ms", max = "5ms" }}
hedge = {{ percentile = 50, delay_min = "5ms", budget = 1 }}
breaker = {{ calls = 200, failure_rate = 0.9 }}
bulkhead = {{ concurrency = {places}, queue = 3000, caller_share = 0.9 }}
batch = {{ max = 64, delay = "200ms" }}

[sources.web]
path = "web.py"
idempotent = true
concurrency = 200
workers = 1
env = {{ HERE = "{here}" }}
{more}
"""
CALLERS = 1000


def project(write: Write, places: int = 64, more: str = "") -> Path:
    folder = write(web__py=WORK)
    return write(dragoman__toml=EVERYTHING.format(places=places, here=folder, more=more))


def runs(folder: Path, name: str) -> int:
    path = folder / name
    return path.stat().st_size if path.exists() else 0


# Over HTTP


async def ask(port: int, function: str, body: bytes, line: bytes = b"") -> bytes:
    """One call on a connection of its own; the whole response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST /v1/call/%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%bContent-Length: %d\r\n\r\n"
    try:
        writer.write(head % (function.encode(), line, len(body)) + body)
        return await reader.read()
    finally:
        writer.close()


def statuses(answers: list[bytes]) -> Counter[int]:
    return Counter(int(answer.split(b" ", 2)[1]) for answer in answers)


async def test_a_thousand_callers_of_one_cold_key_run_the_function_once(write: Write) -> None:
    folder = project(write)
    with serving(folder) as web:
        bodies = [b'{"n":7,"s":0.5}', b'{"s":0.5,"n":7}', b'{ "n": 7, "s": 0.5 }']
        answers = await asyncio.gather(*(ask(web.port, "web.slow", bodies[n % 3]) for n in range(CALLERS)))
        assert statuses(answers) == {200: CALLERS}
        assert all(answer.endswith(b"\r\n\r\n7") for answer in answers)
        assert runs(folder, "slow") == 1
        assert eventually(lambda: nothing_is_left(web))


def nothing_is_left(web: Web) -> bool:
    """Whether no layer, no queue and no connection has any call."""
    lines = web.ask("GET", "/metrics").body.decode().splitlines()
    words = ("in_flight", "waiting", "watched", "refreshing", "in_flight_", "queue_length", "open")
    left = [
        line
        for line in lines
        if line.startswith(("dragoman_layer{", "dragoman_calls_in_flight", "dragoman_queue_length"))
        and any(f'value="{word}' in line or word in line.partition("{")[0] for word in words)
        and float(line.rpartition(" ")[2])
    ]
    return not left


async def test_a_thousand_callers_at_once_are_no_more_probes_than_may_be(write: Write) -> None:
    more = """
[functions."web.ill"]
timeout = "20s"
cache = false
retry = false
hedge = false
breaker = { calls = 20, open = "300ms", probes = 3 }
"""
    folder = project(write, places=2000, more=more)
    with serving(folder) as web:
        for number in range(20):
            assert web.post("ill", b'{"n":%d}' % number).status == 503
        assert web.post("ill", b"{}").status == 503
        assert runs(folder, "ill") == 20, "it is open"
        (folder / "hold").touch()
        await asyncio.sleep(0.35)
        asked = [asyncio.ensure_future(ask(web.port, "web.ill", b'{"n":%d}' % n)) for n in range(CALLERS)]
        await soon(lambda: sum(each.done() for each in asked) == CALLERS - 3)
        refused = [each.result() for each in asked if each.done()]
        assert statuses(refused) == {503: CALLERS - 3}
        assert all(b"retry-after: " in answer and b"half open" in answer for answer in refused)
        assert runs(folder, "ill") == 23
        (folder / "well").touch()
        (folder / "hold").unlink()
        assert statuses(await asyncio.gather(*asked)) == {503: CALLERS - 3, 200: 3}
        again = [ask(web.port, "web.ill", b'{"n":%d}' % n) for n in range(CALLERS)]
        assert statuses(await asyncio.gather(*again)) == {200: CALLERS}
        assert eventually(lambda: nothing_is_left(web))


async def test_callers_that_hang_up_at_any_moment_leave_nothing(write: Write) -> None:
    folder = project(write, places=4)
    with serving(folder) as web:

        async def leave(number: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
            function = ("slow", "down", "half", "numbers", "together")[number % 5]
            body = json.dumps({"xs": [number]} if function == "together" else {"n": number % 40}).encode()
            key = b"Idempotency-Key: %d\r\n" % (number % 7) if number % 3 == 0 else b""
            head = b"POST /v1/call/web.%b HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n"
            writer.write(head % (function.encode(), key, len(body)) + body)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(number % 50 * 0.006):
                    await reader.read()
            writer.transport.abort()

        await asyncio.gather(*(leave(number) for number in range(400)))
        assert eventually(lambda: nothing_is_left(web)), web.ask("GET", "/metrics").body.decode()
        assert (await ask(web.port, "web.quick", b'{"n":99991}')).endswith(b"99991")


# Three hops

HEDGE = "hedge = { percentile = 95, budget = 0.05 }"
"""As it is by default."""
HOPS = """
import os
import pathlib

from dragoman import Context, Unavailable

async def a(n: int, ctx: Context) -> int:
    return await ctx.call("{next}", n=n)
"""


@pytest.mark.parametrize("calls", [40, 400])
@pytest.mark.parametrize("share", [1, 2], ids=["all fail", "every other fails"])
async def test_a_storm_over_three_hops_is_amplified_by_less_than_a_fifth(write: Write, share: int, calls: int) -> None:
    more = "".join(
        f'[sources.{name}]\npath = "{name}.py"\nidempotent = true\nconcurrency = 200\nworkers = 1\n'
        for name in ("one", "two")
    )
    more += "[sources.one.breaker]\nenabled = false\n[sources.two.breaker]\nenabled = false\n"
    more += '[functions."web.down"]\nbreaker = false\n[functions."web.half"]\nbreaker = false\n'
    more = more.replace("breaker = false", f"breaker = false\n{HEDGE}").replace("workers = 1", f"workers = 1\n{HEDGE}")
    last = "down" if share == 1 else "half"
    write(one__py=HOPS.format(next="two.a"), two__py=HOPS.format(next=f"web.{last}"))
    folder = project(write, more=more)
    async with hosted(folder) as host:
        found = Counter[str]()

        async def caller(first: int) -> None:
            for number in range(first, calls, 16):
                found[await outcome(host, "one.a", {"n": number})] += 1

        await asyncio.gather(*(caller(first) for first in range(16)))
        assert runs(folder, last) < 1.2 * calls
        assert sum(found.values()) == calls
        assert found["ok"] == 0 if share == 1 else found["ok"] > calls / 2
        await soon(lambda: nothing_stays(host))


# Functions that fail


async def outcome(host: Host, name: str, arguments: Mapping[str, Any], **marks: Any) -> str:
    try:
        await begin(host, name, arguments, **marks)
    except Fault as fault:
        return fault.code.value
    return "ok"


def begin(host: Host, name: str, arguments: Mapping[str, Any], timeout_s: float | None = None, **marks: Any) -> Pending:
    """A call on its way through the whole stack."""
    entry = host.registry.find(name)
    call = host.call(entry.target, json.dumps(arguments).encode(), Codec.JSON, Codec.JSON, timeout_s)
    for mark, value in marks.items():
        setattr(call, mark, value)
    return settle(entry.service(call))


async def test_a_function_that_always_fails_is_left_alone_and_another_answer_given(write: Write) -> None:
    more = '[functions."web.down"]\nfallback.value = -1\nbreaker = { calls = 50, open = "1m" }\n'
    folder = project(write, more=more)
    async with hosted(folder) as host:
        found = Counter[str]()

        async def caller(first: int) -> None:
            for number in range(first, CALLERS, 20):
                reply = await begin(host, "web.down", {"n": number})
                assert bytes(reply.body) == b"-1"
                found["ok"] += 1

        await asyncio.gather(*(caller(first) for first in range(20)))
        assert found == {"ok": CALLERS}
        assert layer(host, "web.down", "breaker").state()["state"] == "open"
        assert runs(folder, "down") < 200
        await soon(lambda: nothing_stays(host))


async def test_of_a_function_that_fails_every_other_time_more_than_half_is_answered(write: Write) -> None:
    folder = project(write, more='[functions."web.half"]\nretry = { budget = 0.5, base = "1ms", max = "2ms" }\n')
    async with hosted(folder) as host:
        found = Counter[str]()
        for first in range(0, 400, 20):
            batch = [outcome(host, "web.half", {"n": first + number}) for number in range(20)]
            found.update(await asyncio.gather(*batch))
        assert found["ok"] > 260
        assert set(found) <= {"ok", "UNAVAILABLE"}
        assert runs(folder, "half") < 1.6 * 400
        await soon(lambda: nothing_stays(host))


async def test_a_function_that_is_slow_costs_its_callers_their_time_and_no_more(write: Write) -> None:
    folder = project(write, places=4)
    async with hosted(folder) as host:
        begun = time.monotonic()
        calls = [outcome(host, "web.slow", {"n": number, "s": 60}, timeout_s=0.5) for number in range(200)]
        found = Counter(await asyncio.gather(*calls))
        assert time.monotonic() - begun < 3.0
        assert set(found) <= {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
        await soon(lambda: nothing_stays(host))
        assert await outcome(host, "web.quick", {"n": 1}) == "ok"


# Who leaves when


def layer(host: Host, function: str, name: str) -> Policy:
    return host.registry.find(function).layers[name]


LEFT = ("in_flight", "waiting", "watched", "refreshing", "open", "probing")
"""Words of states that count calls."""


def left(host: Host) -> dict[str, object]:
    """What layers, pools and workers have of calls."""
    found: dict[str, object] = {}
    for function, name, policy in host.layers():
        for word, value in policy.state().items():
            counts: list[Any] = list(cast("dict[str, Any]", value).values()) if isinstance(value, dict) else [value]
            if word in LEFT and any(counts):
                found[f"{function} {name} {word}"] = value
    for name in host.registry.sources:
        pool = pool_of(host, name)
        if not pool.idle or pool.leases or len(pool.line):
            found[f"pool {name}"] = pool.in_flight, len(pool.line), len(pool.leases)
    return found


def nothing_stays(host: Host) -> bool:
    return not left(host)


def timers() -> int:
    """Timers of the running loop that will ring."""
    scheduled: list[asyncio.TimerHandle] = vars(asyncio.get_running_loop())["_scheduled"]
    return sum(not each.cancelled() for each in scheduled)


class House:
    """A host with everything configured, and what it has when nobody calls."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.tasks = 0
        self.timers = 0

    def state(self, function: str, name: str) -> Mapping[str, Any]:
        return layer(self.host, function, name).state()

    async def rest(self) -> None:
        """Wait until nothing is left of any call, and it is as before the first."""
        with contextlib.suppress(AssertionError):
            await soon(lambda: nothing_stays(self.host))
        assert left(self.host) == {}
        await soon(lambda: len(asyncio.all_tasks()) <= self.tasks and timers() <= self.timers)


@pytest.fixture
async def house(write: Write) -> AsyncIterator[House]:
    more = """
[functions."web.down"]
retry = { attempts = 3, base = "30s", max = "60s", budget = 1 }
timeout = "90s"
[functions."web.slow"]
bulkhead = { concurrency = 1 }
[functions."web.numbers"]
idempotent = false
"""
    folder = project(write, more=more)
    async with hosted(folder) as host:
        made = House(host, folder)
        for number in range(60):  # so that hedging knows what is long
            await begin(host, "web.quick", {"n": number})
        await begin(host, "web.together", {"xs": [1]})
        await begin(host, "web.slow", {"s": 0})
        await soon(lambda: nothing_stays(host))
        await asyncio.sleep(0.1)
        made.tasks, made.timers = len(asyncio.all_tasks()), timers()
        yield made


Moment = Callable[[House], Any]


async def before_the_queue(house: House) -> list[Pending]:
    return [begin(house.host, "web.quick", {"n": 1000})]


async def running(house: House) -> list[Pending]:
    before = runs(house.folder, "slow")
    pending = begin(house.host, "web.slow", {"n": 1, "s": 60}, timeout_s=20)
    await soon(lambda: runs(house.folder, "slow") > before)
    return [pending]


async def in_the_queue(house: House) -> list[Pending]:
    first = await running(house)
    pending = begin(house.host, "web.slow", {"n": 2, "s": 60})
    assert house.state("web.slow", "bulkhead")["waiting"] == 1
    return [pending, *first]


async def coalesced(house: House) -> list[Pending]:
    first = await running(house)
    more = [begin(house.host, "web.slow", {"n": 1, "s": 60}) for _ in range(3)]
    assert house.state("web.slow", "cache")["waiting"] == 4
    return [*more, *first]


async def joined_by_a_key(house: House) -> list[Pending]:
    made = [begin(house.host, "web.slow", {"n": 3, "s": 0.5}, idempotency_key="k") for _ in range(3)]
    assert house.state("web.slow", "idempotency")["in_flight"] == 1
    return made


async def in_a_batch(house: House) -> list[Pending]:
    made = [begin(house.host, "web.together", {"xs": [n]}) for n in range(20, 23)]
    assert house.state("web.together", "batch")["waiting"] == 3
    return made


async def in_a_batch_on_its_way(house: House) -> list[Pending]:
    made = [begin(house.host, "web.together", {"xs": [n]}) for n in range(10, 13)]
    await soon(lambda: house.state("web.together", "batch")["in_flight"] == 1)
    return made


async def during_the_wait_for_another_attempt(house: House) -> list[Pending]:
    made = [begin(house.host, "web.down", {"n": n}) for n in range(3)]
    await soon(lambda: house.state("web.down", "retry")["waiting"] == 3)
    return made


async def hedged(house: House) -> list[Pending]:
    sleeper = layer(house.host, "web.slow", "hedge")
    for n in range(60):
        await begin(house.host, "web.slow", {"n": n + 100, "s": 0})
    before = sleeper.counts["hedged"]
    pending = begin(house.host, "web.slow", {"n": 4, "s": 60})
    await soon(lambda: sleeper.counts["hedged"] > before)
    return [pending]


MOMENTS = [
    before_the_queue,
    running,
    in_the_queue,
    coalesced,
    joined_by_a_key,
    in_a_batch,
    in_a_batch_on_its_way,
    during_the_wait_for_another_attempt,
    hedged,
]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__.replace("_", " "))
async def test_who_leaves_takes_everything_along(house: House, moment: Moment) -> None:
    pendings = await moment(house)
    for pending in pendings:
        pending.cancel()
    await soon(lambda: all(pending.done for pending in pendings))
    assert all(pending.fault is not None and pending.fault.code is Code.CANCELLED for pending in pendings)
    await house.rest()
    assert await outcome(house.host, "web.quick", {"n": 5000}) == "ok"


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__.replace("_", " "))
async def test_one_who_leaves_takes_nobody_along(house: House, moment: Moment) -> None:
    leaver, *others = await moment(house)
    leaver.cancel()
    await soon(lambda: leaver.done)
    await asyncio.sleep(0.02)
    assert not any(other.fault for other in others)
    for other in others:
        other.cancel()
    await house.rest()


@pytest.mark.parametrize("read", [0, 1, 20])
async def test_a_stream_that_is_left_gives_back_what_it_holds(house: House, read: int) -> None:
    pending = begin(house.host, "web.numbers", {"n": 1000})
    reply = await pending
    assert reply.items is not None
    items = aiter(reply.items)
    for _ in range(read):
        await anext(items)
    assert house.state("web.numbers", "bulkhead")["in_flight"] == 1
    await reply.items.aclose()
    await house.rest()


async def test_at_no_moment_does_anything_stay(house: House) -> None:
    """Every function, left after each of many short times."""
    functions = {"slow": {"s": 0.01}, "down": {}, "half": {}, "together": {}, "quick": {}}
    for step in range(60):
        calls: list[Pending] = []
        for number, (name, more) in enumerate(functions.items()):
            arguments = {"xs": [step]} if name == "together" else {"n": 10_000 + step // 2, **more}
            # A call with a key goes on when its caller leaves: what waits half a minute for another attempt has none.
            key = str(step // 4) if number % 2 and name != "down" else ""
            calls += [begin(house.host, f"web.{name}", arguments, idempotency_key=key) for _ in range(2)]
        await asyncio.sleep(step * 0.0004)
        for call in calls:
            call.cancel()
    await house.rest()
