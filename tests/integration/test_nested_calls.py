"""Functions that call others through their host."""

from __future__ import annotations

import asyncio
import time

import pytest

import dragoman
from dragoman.core.fault import Code, DeadlineExceeded, Fault
from tests.integration.conftest import Write, marked, soon

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


def test_a_knot_within_one_source_is_undone_by_the_deadline(write: Write, mark: str) -> None:
    with dragoman.open(write(**files(mark))) as project:
        begun = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            project.call("back.knot", timeout=0.5)
        assert time.monotonic() - begun < 0.6
        assert project.back.add(a=1, b=2) == 3
