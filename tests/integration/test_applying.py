"""A project file is put in force under load, again and again, and no caller notices."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from dragoman.client.value import decode_reply, encode_input
from dragoman.core.clock import SystemClock
from dragoman.host.applying import Applying
from tests.integration.conftest import hosted

if TYPE_CHECKING:
    from dragoman.host.host import Host
    from tests.integration.conftest import Write

CALLERS = 64
TIMES = 20

CODE = """
import os
from dragoman import function

@function(idempotent=True)
def name(n: int) -> str:
    return os.environ["NAME"]
"""
INLINE = "async def name(n: int) -> str: return 'inline'\n"


def toml(turn: int) -> str:
    """A file that changes options, settings of a source, and which sources there are."""
    layers = [
        "retry = 3",
        'retry = { attempts = 2, base = "1ms" }\nbreaker = true',
        "bulkhead = { concurrency = 16, queue = 500 }\nshed = { least = 100, first = 200 }",
        'coalesce = true\nhedge = true\ncache = { ttl = "1ms" }\nbreaker = { slow = "5s" }',
        "bulkhead = 4",
    ]
    extra = '[sources.guest]\npath = "work.py"\nenv = { NAME = "guest" }\n' if turn % 3 == 0 else ""
    return (
        f'[defaults]\ntimeout = "{20 + turn}s"\n{layers[turn % len(layers)]}\n'
        f'[sources.work]\npath = "work.py"\nqueue = 2000\nenv = {{ NAME = "{"ab"[turn // 2 % 2]}" }}\n'
        f"workers = {{ min = 1, max = 2 }}\n"
        f'[sources.inner]\npath = "inner.py"\nmode = "inline"\nqueue = {2000 + turn % 2}\n{extra}'
    )


async def call(host: Host, name: str, n: int) -> Any:
    body, codec = encode_input({"n": n})
    entry = host.registry.find(name)
    return decode_reply(await entry.service(host.call(entry.target, body, codec, codec)))


async def test_no_call_is_lost_while_the_file_is_applied_twenty_times(write: Write) -> None:
    folder = write(dragoman__toml=toml(0), work__py=CODE, inner__py=INLINE)
    answers: Counter[str] = Counter()
    async with hosted(folder) as host:
        applying = Applying(host, SystemClock())
        stop = asyncio.Event()

        async def call_on(caller: int) -> None:
            n = caller * 1_000_000
            name = "inner.name" if caller % 4 == 0 else "work.name"
            while not stop.is_set():
                n += 1
                answers[await call(host, name, n)] += 1

        callers = [asyncio.ensure_future(call_on(caller)) for caller in range(CALLERS)]
        for turn in range(1, TIMES + 1):
            seen = answers.total()
            (folder / "dragoman.toml").write_text(toml(turn))
            told = await applying()
            assert told.functions
            while answers.total() < seen + 4 * CALLERS:
                broken = [caller for caller in callers if caller.done()]
                assert not broken, broken[0].exception()
                await asyncio.sleep(0)
        stop.set()
        await asyncio.gather(*callers)
        assert host.registry.find("work.name").target.timeout_s == 20 + TIMES
    assert set(answers) == {"a", "b", "inline"}


async def test_calls_that_wait_when_their_pool_is_replaced_meet_no_layer_twice(write: Write) -> None:
    code = "import time\ndef nap() -> int:\n    time.sleep(0.05)\n    return 1\n"
    first = '[sources.work]\npath = "work.py"\nworkers = 1\nbulkhead = { concurrency = 8, queue = 0 }\n'
    folder = write(dragoman__toml=first, work__py=code)
    async with hosted(folder) as host:
        entry = host.registry.find("work.nap")
        body, codec = encode_input({})
        running = [
            asyncio.ensure_future(settled(entry.service(host.call(entry.target, body, codec, codec)))) for _ in range(8)
        ]
        await asyncio.sleep(0)
        (folder / "dragoman.toml").write_text(first + "queue = 999\n")
        assert (await Applying(host, SystemClock())()).reloaded == ("work",)
        replies = await asyncio.gather(*running)
        assert [decode_reply(reply) for reply in replies] == [1] * 8
        assert host.registry.find("work.nap").layers["bulkhead"].state()["in_flight"] == 0


async def settled(answer: Any) -> Any:
    return await answer
