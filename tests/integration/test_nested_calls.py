"""Functions that call others through their host."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

import dragoman
from dragoman.core.fault import Code, DeadlineExceeded, FailedPrecondition, Fault, ResourceExhausted
from dragoman.workers.scaling import WAIT_S
from tests.integration.conftest import Write, host_of, marked, pool_of, soon

FRONT = """
from dragoman import Context
import asyncio

def double(n: int, ctx: Context) -> int: return ctx.call("back.add", a=n, b=n)
async def both(n: int, ctx: Context) -> list[int]:
    return list(await asyncio.gather(*(ctx.call("back.add", a=n, b=i) for i in range(5))))
def collect(n: int, ctx: Context) -> list[int]: return ctx.call("back.count", n=n)
def missing(ctx: Context) -> int: return ctx.call("back.nothing")
async def for_ever(ctx: Context) -> int: return await ctx.call("front.for_ever")
def slow(ctx: Context) -> int: return ctx.call("back.sleep")
def inside(n: int, ctx: Context) -> int: return ctx.call("within.twice", n=n)
"""
SYNC = "from dragoman import Context\n" + "\n".join(line for line in FRONT.splitlines() if line.startswith("def "))
BACK = """
from typing import Iterator
import os, subprocess, time
from dragoman import Context

def add(a: int, b: int) -> int: return a + b
def count(n: int) -> Iterator[int]: yield from range(n)
def sleep() -> int: return subprocess.run(["sleep", os.environ["MARK"]]).returncode
def knot(ctx: Context) -> int: return ctx.call("back.add", a=1, b=1)
def round_trip(ctx: Context) -> int: return ctx.call("front.double", n=1)
def catches(ctx: Context) -> str:
    try:
        return str(ctx.call("back.add", a=1, b=1))
    except Exception as error:
        return type(error).__name__
"""
WITHIN = """
from dragoman import Context
async def twice(n: int, ctx: Context) -> int: return await ctx.call("back.add", a=n, b=n)
"""
TOML = """
[sources.front]
path = "front.py"
concurrency = {concurrency}
workers = {workers}
[sources.back]
path = "back.py"
workers = 1
env = {{ MARK = "{mark}" }}
[sources.within]
path = "within.py"
mode = "inline"
"""


def files(mark: str, *, front: str = FRONT, concurrency: int = 20, workers: int = 1) -> dict[str, str]:
    toml = TOML.format(mark=mark, concurrency=concurrency, workers=workers)
    return {"dragoman__toml": toml, "front__py": front, "back__py": BACK, "within__py": WITHIN}


@pytest.mark.parametrize("front", [FRONT, SYNC], ids=["async", "sync"])
def test_a_function_calls_another_of_any_source_and_mode(write: Write, mark: str, front: str) -> None:
    with dragoman.open(write(**files(mark, front=front, concurrency=1 if front is SYNC else 20))) as project:
        assert project.front.double(n=21) == 42
        assert project.front.collect(n=4) == [0, 1, 2, 3]
        assert project.front.inside(n=4) == 8
        with pytest.raises(Fault) as fault:
            project.front.missing()
        assert fault.value.code is Code.NOT_FOUND
        if front is FRONT:
            assert project.front.both(n=1) == [1, 2, 3, 4, 5]


def test_a_chain_without_end_is_ended(write: Write, mark: str) -> None:
    with dragoman.open(write(**files(mark))) as project:
        with pytest.raises(Fault) as fault:
            project.call("front.for_ever", timeout=10.0)
        assert fault.value.code is Code.FAILED_PRECONDITION
        assert "chains end at 16" in fault.value.detail
        assert project.front.double(n=1) == 2


def test_what_was_called_stops_with_its_caller(write: Write, mark: str) -> None:
    with dragoman.open(write(**files(mark))) as project:
        begun = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            project.call("front.slow", timeout=0.5)
        assert time.monotonic() - begun < 0.6
        assert project.front.double(n=1) == 2


async def test_a_cancelled_caller_takes_what_it_called_along(write: Write, mark: str) -> None:
    async with dragoman.open(write(**files(mark))) as project:
        running = asyncio.ensure_future(project.front.slow())
        await soon(lambda: marked(mark))
        running.cancel()
        await soon(running.done)
        assert await project.call("back.add", {"a": 1, "b": 1}, timeout=5.0) == 2


TIED = """
from dragoman import Context
import os, time

def own(ctx: Context) -> int: return ctx.call("a.leaf")
def leaf() -> int: return 1
def hold(path: str) -> int:
    while not os.path.exists(path): time.sleep(0.005)
    return 2
def outer(ctx: Context) -> int: return ctx.call("a.leaf") + 1
def around(ctx: Context) -> int: return ctx.call("b.back")
def deep(n: int, ctx: Context) -> int: return ctx.call("a.deep", n=n - 1) + 1 if n else 0
def streamed(ctx: Context) -> list[int]: return ctx.call("b.streams")
def inside(ctx: Context) -> int: return ctx.call("within.back")
def tries(ctx: Context) -> str:
    try:
        return str(ctx.call("a.leaf"))
    except Exception as error:
        return type(error).__name__
"""
TIED_ASYNC = """
from dragoman import Context

async def down(n: int, ctx: Context) -> int: return await ctx.call("c.down", n=n - 1) + 1 if n else 0
"""
TIED_BACK = """
from typing import Iterator
from dragoman import Context

def back(ctx: Context) -> int: return ctx.call("a.leaf")
def streams(ctx: Context) -> Iterator[int]:
    yield 1
    yield ctx.call("a.leaf")
"""
TIED_WITHIN = """
from dragoman import Context
async def back(ctx: Context) -> int: return await ctx.call("a.leaf")
"""
TIED_TOML = """
[sources.a]
path = "a.py"
workers = {{ min = {least}, max = {workers} }}
[sources.b]
path = "b.py"
workers = 1
[sources.c]
path = "c.py"
workers = 1
concurrency = {concurrency}
[sources.within]
path = "within.py"
mode = "inline"
"""


def tied(workers: int = 1, concurrency: int = 5, least: int = 1) -> dict[str, str]:
    toml = TIED_TOML.format(workers=workers, concurrency=concurrency, least=least)
    return {"dragoman__toml": toml, "a__py": TIED, "b__py": TIED_BACK, "c__py": TIED_ASYNC, "within__py": TIED_WITHIN}


@pytest.mark.parametrize(
    ("function", "chain"),
    [
        ("a.own", "a.own → a.leaf"),
        ("a.around", "a.around → b.back → a.leaf"),
        ("a.streamed", "a.streamed → b.streams → a.leaf"),
        ("a.inside", "a.inside → within.back → a.leaf"),
    ],
)
def test_a_chain_that_waits_for_its_own_worker_is_told_so_at_once(write: Write, function: str, chain: str) -> None:
    with dragoman.open(write(**tied())) as project:
        assert project.a.leaf() == 1
        begun = time.monotonic()
        with pytest.raises(FailedPrecondition) as fault:
            project.call(function, timeout=20.0)
        assert time.monotonic() - begun < 5.0
        assert f"{chain}: every worker of a waits for this very call" in fault.value.detail
        assert not fault.value.retryable
        assert project.a.tries() == "FailedPrecondition", "the caller may deal with it"
        assert project.a.leaf() == 1


@pytest.mark.parametrize("function", ["a.own", "a.around", "a.streamed", "a.inside"])
def test_a_chain_that_comes_back_gets_another_worker_where_there_may_be_one(write: Write, function: str) -> None:
    with dragoman.open(write(**tied(workers=2))) as project:
        assert project.call(function, timeout=20.0) in (1, [1, 1])


def test_a_chain_goes_as_deep_as_there_are_workers(write: Write) -> None:
    with dragoman.open(write(**tied(workers=4))) as project:
        assert project.call("a.deep", {"n": 3}, timeout=30.0) == 3
        with pytest.raises(FailedPrecondition, match=r"workers\.max = 4"):
            project.call("a.deep", {"n": 4}, timeout=30.0)


async def test_asynchronous_chains_are_told_apart(write: Write) -> None:
    async with dragoman.open(write(**tied(concurrency=6))) as project:
        assert await project.call("c.down", {"n": 5}, timeout=20.0) == 5
        with pytest.raises(FailedPrecondition, match="concurrency = 6"):
            await project.call("c.down", {"n": 6}, timeout=20.0)
        running = [asyncio.ensure_future(project.call("c.down", {"n": 1}, timeout=20.0)) for _ in range(6)]
        answers = await asyncio.gather(*running, return_exceptions=True)
        assert all(answer == 1 or isinstance(answer, ResourceExhausted) for answer in answers)
        assert 1 in answers


async def test_a_worker_that_will_be_free_is_waited_for(write: Write, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with dragoman.open(write(**tied(workers=2, least=2))) as project:
        pool = pool_of(host_of(project), "a")
        await soon(lambda: len(pool.workers) == 2)
        holding = asyncio.ensure_future(project.call("a.hold", {"path": str(gate)}, timeout=20.0))
        own = asyncio.ensure_future(project.call("a.own", timeout=20.0))
        await soon(lambda: pool.line.newest_nested)
        for _ in range(5):
            await asyncio.wait((own,), timeout=WAIT_S)
            assert not own.done(), "its worker is looked for again and again, and not refused"
        gate.touch()
        assert [await own, await holding] == [1, 2]


async def test_of_two_that_hold_all_workers_one_goes_on(write: Write) -> None:
    async with dragoman.open(write(**tied(workers=2, least=2))) as project:
        pool = pool_of(host_of(project), "a")
        await soon(lambda: len(pool.workers) == 2)
        both = [asyncio.ensure_future(project.call("a.outer", timeout=20.0)) for _ in range(2)]
        answers = await asyncio.gather(*both, return_exceptions=True)
        assert 2 in answers
        assert all(answer == 2 or isinstance(answer, ResourceExhausted) for answer in answers), answers


async def test_callers_that_hold_each_others_workers_do_not_all_fail(write: Write) -> None:
    """As many as there are workers at a time, each wanting a second one."""
    async with dragoman.open(write(**tied(workers=3))) as project:
        begun = time.monotonic()
        running = [asyncio.ensure_future(project.call("a.around", timeout=30.0)) for _ in range(40)]
        answers = await asyncio.gather(*running, return_exceptions=True)
        assert time.monotonic() - begun < 25
        assert all(answer == 1 or isinstance(answer, ResourceExhausted) for answer in answers), answers
        assert answers.count(1) > 3
        assert await project.a.leaf() == 1
