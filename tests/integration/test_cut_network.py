"""A network between a host and the Postgres of its tasks that goes silent, and comes back.

`DRAGOMAN_CUT_S` is for how many seconds, with a short time where nobody says: a minute is 60.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from tests.integration.conftest import Write
from tests.integration.history import History, check
from tests.integration.test_task_storm import all_of, settled
from tests.integration.web import Answer, Web, serving
from tests.postgres import Server, servers
from tests.valkey import proxied

CUT_S = float(os.environ.get("DRAGOMAN_CUT_S", "12"))
CALM_S = 60.0
ANSWER_S = 15.0
"""The longest that who submits waits: until what was under way is given up, and then until their own is."""
CALL_S = 2.0
"""The longest that a call may take on a busy machine, which has nothing to do with tasks."""
CALLERS = 6
THREADS = ThreadPoolExecutor(CALLERS + 2)
"""One for each who asks: that others wait is not to delay them."""
CODE = """
import os, time

RUNS = os.open(os.environ["RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def echo(key: str, s: float = 0.0) -> str:
    time.sleep(s)
    os.write(RUNS, (key + "\\n").encode())
    return key

def now(key: str) -> str:
    return key
"""
TOML = """
[sources.shop]
path = "shop.py"
workers = 3
env = {{ RUNS = "{runs}" }}
[functions."shop.echo"]
timeout = "60s"
task = {{ attempts = 1000, base = "20ms", max = "200ms" }}
[tasks]
lease = "2s"
store = "{store}"
"""


@pytest.fixture
def server() -> Iterator[Server]:
    yield from servers()


class Caller:
    """Submits through one host for as long as it is told to, each task until it is taken, and calls in between."""

    def __init__(self, web: Web, name: str, history: History) -> None:
        self._web = web
        self.name = name
        self._history = history
        self._count = 0
        self.over = False
        self.refusals: list[dict[str, Any]] = []
        self.longest_s = 0.0
        self.call_s = 0.0

    async def submit(self) -> None:
        while not self.over:
            self._count += 1
            key = f"{self.name}-{self._count}"
            while not await self._submit(key):  # noqa: ASYNC110 - it is no event
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.05)

    async def _submit(self, key: str) -> bool:
        body = json.dumps({"key": key, "s": 0.05}).encode()
        began = time.monotonic()
        answer = await ask(self._web, "POST", "/v1/call/shop.echo", body, Prefer="respond-async", Idempotency_Key=key)
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        if answer.status == 202:
            self._history.promised(key, answer.json["id"])
            return True
        self.refusals.append(answer.json)
        return False

    async def call(self) -> None:
        """Call as if there were no tasks."""
        while not self.over:
            began = time.monotonic()
            answer = await ask(self._web, "POST", "/v1/call/shop.now", b'{"key": "k"}')
            assert answer.status == 200, answer
            self.call_s = max(self.call_s, time.monotonic() - began)
            await asyncio.sleep(0.05)


async def ask(web: Web, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    asking = partial(web.ask, method, path, body, **headers)
    return await asyncio.get_running_loop().run_in_executor(THREADS, asking)


@pytest.mark.timeout(CUT_S + 3 * CALM_S)
@pytest.mark.parametrize("forgets", [False, True], ids=["delivers late", "forgets"])
async def test_a_network_that_goes_silent_loses_nothing_and_all_goes_on_by_itself(
    write: Write,
    server: Server,
    forgets: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    folder = write(shop__py=CODE)
    history, runs = History(), folder / "runs.txt"
    async with proxied(server.port) as proxy:
        far = server.url.replace(str(server.port), str(proxy.port))
        with (
            serving(cwd=folder, toml=TOML.format(runs=runs, store=far)) as cut,
            serving(cwd=folder, toml=TOML.format(runs=runs, store=server.url)) as near,
        ):
            callers = [Caller(cut, f"cut{number}", history) for number in range(CALLERS)]
            other = Caller(near, "near", history)
            async with asyncio.TaskGroup() as group:
                for each in (*callers, other):
                    group.create_task(each.submit())
                group.create_task(callers[0].call())
                await taken(history, 20)
                proxy.partition()
                await asyncio.sleep(CUT_S)
                near_s, call_s = other.longest_s, callers[0].call_s
                assert any(each.refusals for each in callers)
                if forgets:
                    proxy.forget()
                proxy.heal()
                for each in callers:
                    await taken(history, 5, each.name)
                for each in (*callers, other):
                    each.over = True
            async with asyncio.timeout(CALM_S):
                while not await asyncio.to_thread(settled, cut):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.1)
            kept = await asyncio.to_thread(all_of, cut)
    assert check(history, kept, Counter(runs.read_text().split())) == []
    assert {each["code"] for caller in callers for each in caller.refusals} == {"UNAVAILABLE"}
    assert max(each.longest_s for each in callers) < ANSWER_S
    assert call_s < CALL_S
    assert near_s < ANSWER_S
    assert other.refusals == []
    assert sum(key.startswith("near") for key in history.accepted) > CUT_S


async def taken(history: History, count: int, name: str = "") -> None:
    """Wait until so many tasks more of a caller are taken."""

    def so_far() -> int:
        return sum(key.startswith(name) for key in history.accepted)

    before = so_far()
    async with asyncio.timeout(CALM_S):
        while so_far() < before + count:  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.05)
