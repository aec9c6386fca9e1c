"""Large bodies cross in shared memory, and nobody sees a difference."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import dragoman
from dragoman.core.fault import InvalidArgument, ResourceExhausted
from dragoman.host.hosted import PooledSource

LARGE = 3 * 1024 * 1024
SYNC = """
import os

def echo(text: str) -> str:
    return text

def reverse(data: bytes) -> bytes:
    return data[::-1]

def make(size: int) -> bytes:
    return b"z" * size

def die(data: bytes) -> None:
    os.kill(os.getpid(), 9)

def fail(data: bytes) -> None:
    raise ValueError("not today")
"""
ASYNC = """
from dragoman import Context

async def echo(text: str) -> str:
    return text

def plain(text: str) -> str:
    return text

async def through(text: str, ctx: Context) -> str:
    return await ctx.call("plain.echo", text=text)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain.py").write_text(SYNC)
    (tmp_path / "loop.py").write_text(ASYNC)
    (tmp_path / "dragoman.toml").write_text(
        '[sources.plain]\npath = "plain.py"\nworkers = 1\n[sources.loop]\npath = "loop.py"\nworkers = 1\n'
    )
    return tmp_path


def test_a_blocking_caller_gets_large_bodies_back_as_they_were(folder: Path) -> None:
    data = os.urandom(LARGE)
    with dragoman.open(folder) as project:
        for _ in range(30):  # many times what an arena holds, were regions not given back
            assert project.call("plain.reverse", data) == data[::-1]
        assert project.plain.echo(text="x" * LARGE) == "x" * LARGE
        assert project.loop.echo(text="y" * LARGE) == "y" * LARGE
        assert project.loop.plain(text="z" * LARGE) == "z" * LARGE
        assert project.loop.through(text="w" * LARGE) == "w" * LARGE


def test_a_body_past_the_limit_is_refused_at_once_both_ways(folder: Path) -> None:
    size = 17 * 1024 * 1024
    with dragoman.open(folder) as project:
        with pytest.raises(InvalidArgument, match="too large to send"):
            project.call("plain.reverse", bytes(size))
        with pytest.raises(ResourceExhausted):
            project.call("plain.make", {"size": size})
        assert project.call("plain.reverse", b"ab") == b"ba"


async def test_many_at_once_are_not_mixed_up(folder: Path) -> None:
    async with dragoman.open(folder) as project:
        texts = [str(number) * 400_000 for number in range(8)] * 8
        answers = await asyncio.gather(*(project.loop.echo(text=text) for text in texts))
        assert answers == texts


async def test_regions_are_given_back_when_nobody_reads_them(folder: Path) -> None:
    async with dragoman.open(folder) as project:
        await project.call("plain.make", {"size": LARGE})
        with pytest.raises(dragoman.Unknown, match="not today"):
            await project.call("plain.fail", bytes(LARGE))
        await project.plain.echo(text="a small one, behind which everything has been given back")
        host = project._host  # pyright: ignore[reportPrivateUsage] - a test looks inside
        assert host is not None
        source = host.registry.sources["plain"]
        assert isinstance(source, PooledSource)
        (worker,) = source.pool.workers
        for _ in range(100):
            if not worker.connection.borrowed and not worker.connection.lent:
                break
            await project.plain.echo(text="again")
        assert (worker.connection.borrowed, worker.connection.lent) == (0, 0)


def test_what_was_received_outlives_the_worker_and_the_next_call_works(folder: Path) -> None:
    with dragoman.open(folder) as project:
        made = project.call("plain.make", {"size": LARGE})
        with pytest.raises(dragoman.Unavailable):
            project.call("plain.die", bytes(LARGE))
        assert made == b"z" * LARGE
        assert project.call("plain.reverse", b"ab" * LARGE) == b"ba" * LARGE


def test_no_memory_is_left_behind_in_shared_memory_files(folder: Path) -> None:
    def arenas() -> int:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return sum("dragoman_segment" in str(link.readlink()) for link in links)

    before = arenas()
    with dragoman.open(folder) as project:
        project.call("plain.reverse", bytes(LARGE))
        assert arenas() > before
    assert arenas() == before
