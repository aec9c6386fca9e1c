"""Calls, cancels and revokes in random order: each call gets one answer, and the worker leaves in good order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.wire.frame import Kind
from dragoman.wire.handshake import Hello, Limits

if TYPE_CHECKING:
    from tests.guest.conftest import Start
    from tests.guest.driver import Guest

SYNC = """
import time
from collections.abc import AsyncIterator, Iterator
from dragoman.guest.context import Context

def same(x: int) -> int:
    return x

def nap(x: int) -> int:
    time.sleep(x / 1000)
    return x

def noisy(x: int) -> int:
    for width in range(x * 10):
        print("x" * width)
    return x

def count(x: int) -> Iterator[int]:
    yield from range(x * 10)

def poll(x: int, ctx: Context) -> int:
    for step in range(x * 500):
        if ctx.cancelled:
            return step
        ctx.progress(step / 10_000)
    return x

def boom(x: int) -> int:
    raise ValueError(x)
"""
ASYNC = """
import asyncio

async def later(x: int) -> int:
    await asyncio.sleep(x / 1000)
    return x

async def stream(x: int) -> AsyncIterator[int]:
    for number in range(x * 10):
        yield number
"""
CALLS = 2000
STREAMS = {"count", "stream"}
ANSWERS = {Kind.END, Kind.FAULT, Kind.ITEM}


def disturb(guest: Guest, live: dict[int, str], done: set[tuple[str, int]], chance: random.Random) -> None:
    call = chance.choice(list(live))
    if call not in guest.connection.made or ("cancel", call) in done:
        return
    if live[call] not in STREAMS and ("revoke", call) not in done and chance.random() < 0.5:
        done.add(("revoke", call))
        guest.revoke(call)
    else:
        done.add(("cancel", call))
        guest.cancel(call)


@pytest.mark.parametrize(("source", "concurrency"), [(SYNC, 1), (SYNC + ASYNC, 1), (SYNC + ASYNC, 6)])
def test_every_call_is_answered_exactly_once(serve: Start, source: str, concurrency: int) -> None:
    chance = random.Random(concurrency)
    guest = serve(source, hello=Hello("test/0", concurrency=concurrency, limits=Limits(credit_bytes=500)))
    live: dict[int, str] = {}
    done: set[tuple[str, int]] = set()
    answered: dict[int, Any] = {}
    while len(answered) < CALLS:
        while len(live) < 20 and len(live) + len(answered) < CALLS:
            name = chance.choice(guest.names)
            live[guest.start(name, {"x": chance.randrange(25)}, stream=name in STREAMS)] = name
        disturb(guest, live, done, chance)
        frame = guest.receive(lambda frame: frame.kind in ANSWERS)
        guest.frames[:] = [each for each in guest.frames if each.kind in ANSWERS]
        if frame.kind == Kind.ITEM:
            guest.send(guest.connection.consumed(frame.call, len(frame.body)))
            continue
        answered[frame.call] = frame
        del live[frame.call]
    # The connection itself refuses a second answer, and an answer to what was not asked.
    assert sorted(answered) == list(range(1, CALLS + 1))
    assert guest.drain() == 0
