"""Hosts that share the tasks of one Postgres, and a network between them and it."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Write
from tests.integration.web import Answer, Web, serving
from tests.postgres import Server, servers
from tests.valkey import proxied

CODE = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent

def note(key: str, s: float = 0.0) -> str:
    with (HERE / "runs.txt").open("a") as file:
        file.write(f"{key} {os.environ['NAME']}\\n")
    time.sleep(s)
    return os.environ["NAME"]
"""
TOML = """
[sources.shop]
path = "shop.py"
workers = 2
env = {{ NAME = "{name}" }}
[functions."shop.note"]
timeout = "60s"
task = {{ attempts = 20, base = "10ms", max = "100ms" }}
[tasks]
lease = "2s"
store = "{store}"
"""


@pytest.fixture
def server() -> Iterator[Server]:
    yield from servers()


@pytest.fixture
def shop(write: Write) -> Path:
    return write(shop__py=CODE)


async def ask(web: Web, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    return await asyncio.to_thread(web.ask, method, path, body, **headers)


async def submit(web: Web, **given: Any) -> Answer:
    return await ask(web, "POST", "/v1/call/shop.note", json.dumps(given).encode(), Prefer="respond-async")


async def over(web: Web, task: str, within_s: float = 20.0) -> dict[str, Any]:
    """A task once it has ended, whatever the host says meanwhile."""
    path = f"/v1/tasks/{task}?wait=5s"
    ended = await soon(
        lambda: ask(web, "GET", path), lambda answer: answer.status == 200 and answer.json["finished_at"], within_s
    )
    return ended.json


async def running(web: Web, task: str, attempts: int = 1) -> None:
    await soon(
        lambda: ask(web, "GET", f"/v1/tasks/{task}"),
        lambda answer: (answer.json["state"], answer.json["attempts"]) == ("RUNNING", attempts),
        10.0,
    )


async def taken(web: Web, key: str) -> str:
    """A task once a host takes it again."""
    return (await soon(lambda: submit(web, key=key), lambda answer: answer.status == 202, 30.0)).json["id"]


async def soon(look: Callable[[], Awaitable[Answer]], fits: Callable[[Answer], object], within_s: float) -> Answer:
    """An answer that fits; the failure says what the last one was."""
    answer = Answer(0, {}, b"none yet")
    try:
        async with asyncio.timeout(within_s):
            while not fits(answer := await look()):  # noqa: ASYNC110 - as of another program
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"not within {within_s} s, at last {answer}")
    return answer


async def test_hosts_run_one_another_s_tasks_and_hear_at_once_how_they_ended(shop: Path, server: Server) -> None:
    with (
        serving(cwd=shop, toml=TOML.format(name="one", store=server.url)) as one,
        serving(cwd=shop, toml=TOML.format(name="other", store=server.url)) as other,
    ):
        tasks = [(await submit(one, key=str(number), s=0.3)).json["id"] for number in range(8)]
        ends = await asyncio.gather(*(over(other, task) for task in tasks))
        assert {end["state"] for end in ends} == {"SUCCEEDED"}
        runs = [line.split() for line in (shop / "runs.txt").read_text().splitlines()]
        assert sorted(key for key, _ in runs) == sorted(map(str, range(8)))
        assert {name for _, name in runs} == {"one", "other"}
        # A wait on the one host ends with the task on the other, by its word and not by a look.
        began = time.monotonic()
        (task,) = [(await submit(one, key="last")).json["id"]]
        answer = await ask(other, "GET", f"/v1/tasks/{task}?wait=9s")
        assert answer.json["state"] == "SUCCEEDED"
        assert time.monotonic() - began < 4


async def test_what_a_dead_host_ran_is_run_by_another(shop: Path, server: Server) -> None:
    with serving(cwd=shop, toml=TOML.format(name="one", store=server.url)) as one:
        task = (await submit(one, key="long", s=30)).json["id"]
        await running(one, task)
        with serving(cwd=shop, toml=TOML.format(name="other", store=server.url)) as other:
            one.signal(signal.SIGKILL)
            one.ended()
            await running(other, task, attempts=2)
            shown = (await ask(other, "GET", f"/v1/tasks/{task}")).json
            assert len(shown["history"]) == 2
            await ask(other, "DELETE", f"/v1/tasks/{task}")
            assert (await over(other, task))["state"] == "CANCELLED"


async def test_a_host_that_slept_past_its_lease_overwrites_nothing_and_is_one_among_others_again(
    shop: Path, server: Server
) -> None:
    with serving(cwd=shop, toml=TOML.format(name="sleeper", store=server.url)) as sleeper:
        task = (await submit(sleeper, key="long", s=8)).json["id"]
        await running(sleeper, task)
        sleeper.signal(signal.SIGSTOP)
        try:
            with serving(cwd=shop, toml=TOML.format(name="other", store=server.url)) as other:
                await running(other, task, attempts=2)
                sleeper.signal(signal.SIGCONT)
                end = await over(other, task)
                assert (end["state"], end["attempts"]) == ("SUCCEEDED", 2)
                assert (await ask(other, "GET", f"/v1/tasks/{task}/result")).json == "other"
                more = [(await submit(sleeper, key=f"more {number}", s=0.3)).json["id"] for number in range(8)]
                await asyncio.gather(*(over(sleeper, each) for each in more))
                runs = dict(line.rsplit(" ", 1) for line in (shop / "runs.txt").read_text().splitlines())
                assert {runs[f"more {number}"] for number in range(8)} == {"sleeper", "other"}
                # The sleeper's own run, whose time would have been over by now, was stopped and recorded nothing.
                assert await over(sleeper, task) == end
        finally:
            sleeper.signal(signal.SIGCONT)


async def test_a_network_that_is_cut_for_longer_than_a_lease_loses_and_doubles_nothing(
    shop: Path, server: Server
) -> None:
    async with proxied(server.port) as proxy:
        far = server.url.replace(str(server.port), str(proxy.port))
        with (
            serving(cwd=shop, toml=TOML.format(name="far", store=far)) as cut,
            serving(cwd=shop, toml=TOML.format(name="near", store=server.url)) as near,
        ):
            tasks = [(await submit(cut, key=str(number), s=0.5)).json["id"] for number in range(12)]
            proxy.partition()
            began = time.monotonic()
            refused = await submit(cut, key="refused")
            assert (refused.status, refused.json["code"]) == (503, "UNAVAILABLE")
            assert time.monotonic() - began < 15
            more = [(await submit(near, key=f"near {number}")).json["id"] for number in range(4)]
            ends = await asyncio.gather(*(over(near, task, 40.0) for task in tasks + more))
            assert {end["state"] for end in ends} == {"SUCCEEDED"}
            proxy.cut()
            proxy.heal()
            await taken(cut, "back")
            for task, end in zip(tasks + more, ends, strict=True):
                shown = await over(cut, task)
                assert (shown["attempts"], shown["finished_at"]) == (end["attempts"], end["finished_at"])


async def test_hosts_wait_for_a_server_that_is_not_there_yet(shop: Path, server: Server) -> None:
    server.kill()
    with serving(cwd=shop, toml=TOML.format(name="one", store=server.url)) as one:
        refused = await submit(one, key="early")
        assert (refused.status, refused.json["code"]) == (503, "UNAVAILABLE")
        await asyncio.to_thread(server.start)
        assert (await over(one, await taken(one, "late")))["state"] == "SUCCEEDED"
