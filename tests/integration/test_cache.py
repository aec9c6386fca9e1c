"""Answers kept by real hosts: over HTTP, in one process and in several that share a store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from dragoman.core.call import Call, Reply
from dragoman.host.host import Host
from dragoman.policies.cache import Cache
from tests.integration.conftest import Write, hosted, soon
from tests.integration.web import Web, eventually, serving
from tests.valkey import Server

SOURCE = """
import pathlib
import time

RUNS = pathlib.Path({runs!r})

def _run():
    with RUNS.open("a") as runs:
        runs.write("x")
    return RUNS.stat().st_size

def slow(a: float = 0, b: float = 0) -> int:
    time.sleep(0.3)
    return _run()

def quick(a: float = 0, b: float = 0) -> int:
    return _run()

def broken(a: float = 0) -> int:
    if _run() > 1:
        raise RuntimeError("it was right once")
    return 1
"""
TOML = """
[sources.web]
path = "web.py"
idempotent = true
workers = 2

[functions."web.slow"]
cache = "1h"
coalesce = true

[functions."web.quick"]
cache = {{ ttl = "1h", tags = ["all"], shared = {shared} }}

[functions."web.broken"]
cache = {{ ttl = "1ms", stale_if_error = "1h" }}
{more}
"""
CALLERS = 1000


def project(folder: Path, shared: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "web.py").write_text(SOURCE.format(runs=str(folder.parent / "runs")))
    more = f'\n[shared]\nurl = "{shared}"\nprefix = "cache-test"\ntimeout = "5s"\n' if shared else ""
    (folder / "dragoman.toml").write_text(TOML.format(shared="true" if shared else "false", more=more))
    return folder


def runs(folder: Path) -> int:
    path = folder.parent / "runs"
    return path.stat().st_size if path.exists() else 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path / "one")


@pytest.fixture
def web(folder: Path) -> Iterator[Web]:
    with serving(folder) as served:
        yield served


async def ask(port: int, body: bytes, line: bytes = b"") -> bytes:
    """One call of `slow` on a connection of its own; its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST /v1/call/web.slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%bContent-Length: %d\r\n\r\n"
    try:
        writer.write(head % (line, len(body)) + body)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_thousand_callers_of_one_cold_key_run_the_function_once(web: Web, folder: Path) -> None:
    bodies = [b'{"a":1,"b":2}', b'{"b":2,"a":1}', b'{ "a": 1, "b": 2 }']
    answers = await asyncio.gather(*(ask(web.port, bodies[number % 3]) for number in range(CALLERS)))
    assert runs(folder) == 1
    assert all(answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\r\n\r\n1") for answer in answers)
    assert len({answer.split(b"dragoman-call-id: ")[1][:16] for answer in answers}) == CALLERS


async def test_callers_that_leave_or_run_out_of_time_take_nobody_along(web: Web, folder: Path) -> None:
    hasty = [asyncio.ensure_future(ask(web.port, b"{}", b"Dragoman-Timeout: 50ms\r\n")) for _ in range(20)]
    patient = [asyncio.ensure_future(ask(web.port, b"{}")) for _ in range(20)]
    leaving = [asyncio.ensure_future(ask(web.port, b"{}")) for _ in range(20)]
    late = await asyncio.gather(*hasty)
    for each in leaving:
        each.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    answers = await asyncio.gather(*patient)
    assert all(b"DEADLINE_EXCEEDED" in answer for answer in late)
    assert all(answer.endswith(b"\r\n\r\n1") for answer in answers)
    assert runs(folder) == 1
    assert eventually(lambda: web.metric("dragoman_calls_in_flight") == 0)


def test_an_answer_is_told_as_http_tells_it(web: Web) -> None:
    first, second = web.call("quick", a=1.5), web.call("quick", a=1.5)
    assert (first.body, second.body) == (b"1", b"1")
    assert "age" not in first.headers
    assert second.headers["age"] == "0"
    assert second.headers["cache-control"] == "private, max-age=3600"
    known = web.ask("GET", "/v1/call/web.quick?a=1.5", if_none_match=second.headers["etag"])
    assert (known.status, known.body) == (304, b"")
    assert web.ask("GET", "/v1/call/web.quick?a=2", if_none_match=second.headers["etag"]).status == 200
    assert web.post("quick", b'{"a":1.5}', cache_control="no-cache").body == b"3"
    assert web.call("quick", a=1.5).body == b"3"


def test_an_older_answer_stands_in_for_a_function_that_fails(web: Web) -> None:
    assert web.call("broken", a=1).body == b"1"
    assert eventually(lambda: web.metric("dragoman_calls_total") >= 1)
    for _ in range(3):
        answer = web.call("broken", a=1)
        assert (answer.status, answer.body) == (200, b"1")
    assert web.post("broken", b'{"a":1}', cache_control="no-cache").status == 500


# Hosts that share a store


@pytest.fixture
async def pair(tmp_path: Path, server: Server) -> AsyncIterator[list[Host]]:
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(hosted(project(tmp_path / name, server.url))) for name in ("one", "two")
        ]
        for host in made:
            store = host.world.store
            assert store is not None
            assert await store.ready(10.0)
        yield made


async def call(host: Host, a: int) -> int:
    entry = host.registry.find("web.quick")
    reply: Reply = await entry.service(Call(entry.target, b'{"a":%d}' % a, id=1, deadline=1e12))
    return json.loads(bytes(reply.body))


def cache_of(host: Host) -> Cache:
    cache = host.registry.find("web.quick").layers["cache"]
    assert isinstance(cache, Cache)
    return cache


async def test_hosts_share_answers_and_forget_them_together(pair: list[Host]) -> None:
    one, two = pair
    assert await call(one, 1) == 1
    await soon(lambda: cache_of(one).counts["shared_written"])
    assert await call(two, 1) == 1
    assert cache_of(two).counts["shared_read"] == 1
    await soon(lambda: all(host.world.store is not None and host.world.store.state()["listening"] for host in pair))
    cache_of(one).invalidate(b'{"a":1}')
    await soon(lambda: cache_of(two).counts["invalidated"])
    assert await call(two, 1) == 2
    await soon(lambda: cache_of(two).counts["shared_written"])
    assert await call(one, 1) == 2
    cache_of(two).invalidate(tag="all")
    await soon(lambda: cache_of(one).counts["invalidated"] >= 2)
    assert await call(one, 1) == 3


async def test_a_store_that_dies_fails_no_call_and_a_host_that_was_away_forgets(
    pair: list[Host], server: Server
) -> None:
    one, two = pair
    assert await call(one, 1) == 1
    assert await call(two, 1) in (1, 2)
    server.kill()
    await soon(lambda: all(host.world.store is not None and not host.world.store.up for host in pair))
    before = await call(one, 2)
    assert await call(one, 2) == before
    cache_of(one).invalidate()
    again = await call(one, 2)
    assert again > before
    server.start()
    await soon(lambda: cache_of(one).state()["shared"] == {"up": True, "owed": 0})
    await soon(lambda: cache_of(two).counts["invalidated"])
    assert await call(two, 1) > again


async def test_what_is_in_the_project_is_what_the_layers_do(write: Write, folder: Path) -> None:
    async with hosted(folder) as host:
        entry = host.registry.find("web.quick")
        cache = cache_of(host)
        assert cache.options.tags == ("all",)
        assert {"cache"} <= entry.layers.keys()
        assert await call(host, 1) == await call(host, 1) == 1
