"""Processes to look at: a confinement over a real spawner, and ways to see who is alive."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from dragoman.sandbox.spawning import SpawnerConfinement

WAIT_S = 10.0


def alive(pid: int) -> bool:
    """True while a process runs; a zombie has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def zombies(parent: int) -> int:
    """How many ended children a process has not collected."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found += stat.rpartition(")")[2].split()[:2] == ["Z", str(parent)]
    return found


def marked(mark: str) -> set[int]:
    """Running processes with `mark` among their arguments."""
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in arguments and alive(int(folder.name)):
            found.add(int(folder.name))
    return found


def until(condition: Callable[[], bool], within_s: float = WAIT_S) -> float:
    """Poll until the condition holds; returns the seconds it took. Fails past `within_s`."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < within_s, f"not within {within_s} s"
        time.sleep(0.002)
    return time.monotonic() - begun


async def soon(condition: Callable[[], bool], within_s: float = WAIT_S) -> float:
    """Like `until`, with the loop running."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < within_s, f"not within {within_s} s"
        await asyncio.sleep(0.002)
    return time.monotonic() - begun


class Seen:
    """What the tests use to look at processes."""

    alive = staticmethod(alive)
    marked = staticmethod(marked)
    zombies = staticmethod(zombies)
    until = staticmethod(until)
    soon = staticmethod(soon)

    def __init__(self) -> None:
        self._marks = 0

    def mark(self) -> str:
        """A number of seconds, unique to this test, for `sleep`: found again by `marked`."""
        self._marks += 1
        return f"4{os.getpid()}{self._marks}{time.monotonic_ns() % 100000}"


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def confinement() -> AsyncIterator[SpawnerConfinement]:
    confinement = SpawnerConfinement.launch()
    yield confinement
    await confinement.aclose()


@pytest.fixture
def wire_ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def wire(wire_ends: tuple[socket.socket, socket.socket]) -> int:
    return wire_ends[1].fileno()


@pytest.fixture
def wire_end(wire_ends: tuple[socket.socket, socket.socket]) -> socket.socket:
    return wire_ends[0]
