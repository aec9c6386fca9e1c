"""Streams both ways over HTTP, by blocking callers and by those that await, against a real host."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest

import dragoman
from dragoman.client.failure import PROBLEM_BYTES_MAX
from dragoman.core.clock import SystemClock
from tests.client.scripted import response, scripted
from tests.integration.web import Web, eventually, serving

SOURCE = """
from collections.abc import AsyncIterator, Iterator
import os, time

def doubled(values: Iterator[int], scale: int = 2) -> Iterator[int]:
    for value in values:
        yield value * scale

def problems(values: Iterator[object]) -> Iterator[object]:
    yield from values

def blobs(values: Iterator[int]) -> Iterator[bytes]:
    for value in values:
        yield bytes(value)

def few(values: Iterator[int]) -> Iterator[int]:
    yield next(values)

def breaks(values: Iterator[int]) -> Iterator[int]:
    yield next(values)
    raise KeyError("gone")

def marks(values: Iterator[int], marker: str) -> Iterator[int]:
    try:
        yield from values
    finally:
        open(marker, "w").close()

def dies(values: Iterator[int]) -> Iterator[int]:
    yield next(values)
    os._exit(1)
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    path = tmp_path_factory.mktemp("duplex") / "s.py"
    path.write_text(SOURCE)
    with serving(path) as served:
        yield served


def counted(upto: int) -> Iterator[int]:
    yield from range(upto)


async def later(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


def test_a_blocking_caller_gets_each_item_before_it_gives_the_next(web: Web) -> None:
    got: list[int] = []

    def values() -> Iterator[int]:
        for number in range(3):
            assert permits.acquire(timeout=20)
            yield number

    permits = threading.Semaphore(1)
    with dragoman.connect(web.url) as remote:
        for value in remote.stream("s.doubled", {"values": values(), "scale": 3}):
            got.append(value)
            permits.release()
        assert got == [0, 3, 6]
        assert remote.call("s.doubled", {"values": counted(5000)}) == [2 * number for number in range(5000)]


async def test_so_does_one_that_awaits(web: Web) -> None:
    async with dragoman.connect(web.url) as remote:
        got = [value async for value in remote.stream("s.doubled", {"values": later(5000)})]
        assert got == [2 * number for number in range(5000)]
        assert await remote.call("s.doubled", {"values": iter([2**70])}) == [2**71]
        many = [remote.call("s.doubled", {"values": later(number)}) for number in range(20)]
        assert [len(each) for each in await asyncio.gather(*many)] == list(range(20))


def test_values_are_what_they_are_elsewhere(web: Web) -> None:
    odd: list[Any] = [None, {"problem": {"code": "NOT_FOUND"}}, "", {"problem": 1}]
    with dragoman.connect(web.url) as remote:
        assert remote.call("s.problems", {"values": iter(odd)}) == odd
        assert remote.call("s.blobs", {"values": iter([2, 0])}) == [b"\0\0", b""]
        assert remote.call("s.problems", {"values": iter([])}) == []


def test_a_fault_comes_behind_the_items_before_it(web: Web) -> None:
    with dragoman.connect(web.url) as remote:
        with closing(remote.stream("s.breaks", {"values": counted(9)})) as items:
            assert next(items) == 0
            with pytest.raises(dragoman.Unknown, match="gone") as raised:
                next(items)
        assert (raised.value.function, raised.value.remote) == ("s.breaks", True)
        with pytest.raises(dragoman.InvalidArgument) as caught:
            remote.call("s.doubled", {"values": iter([1, "a"])})
        assert [breach.path for breach in caught.value.errors] == ["/values/1"]
        with pytest.raises(dragoman.Unavailable):
            remote.call("s.dies", {"values": counted(3)})
        with pytest.raises(dragoman.InvalidArgument, match="scale"):
            remote.call("s.doubled", {"values": counted(3), "scale": "x"})


def test_what_the_callers_own_iterator_raises_is_what_it_gets(web: Web) -> None:
    def values() -> Iterator[int]:
        yield 1
        raise LookupError("mine")

    with dragoman.connect(web.url) as remote, pytest.raises(LookupError, match="mine"):
        remote.call("s.doubled", {"values": values()})


def test_an_answer_before_the_end_of_an_endless_input_is_complete(web: Web) -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 1

    with dragoman.connect(web.url) as remote:
        assert remote.call("s.few", {"values": endless()}) == [1]


async def test_closing_the_items_early_cancels_the_call(web: Web, tmp_path: Path) -> None:
    async def forever() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async with dragoman.connect(web.url) as remote:
        given = {"values": forever(), "marker": str(tmp_path / "ended")}
        async with aclosing(remote.stream("s.marks", given)) as items:
            assert await anext(items) == 1
        await asyncio.to_thread(eventually, (tmp_path / "ended").exists)


def test_of_a_refusal_without_end_the_start_is_read() -> None:
    takes = {"type": "object", "properties": {"values": {"type": "array"}}}
    told = json.dumps({"name": "s.f", "streaming": True, "input": takes, "input_stream": "values"}).encode()
    endless = b"HTTP/1.1 503 X\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % 10**12
    with (
        scripted(response(200, "application/json", told), endless + b"busy " * PROBLEM_BYTES_MAX) as script,
        dragoman.connect(script.url) as remote,
        pytest.raises(dragoman.Unavailable, match=r"503 .* with text/plain.*: busy busy"),
    ):
        remote.call("s.f", {"values": counted(3)})


async def test_the_time_of_a_call_bounds_it(web: Web) -> None:
    async def forever() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    clock = SystemClock()
    began = clock.monotonic()
    async with dragoman.connect(web.url) as remote:
        with pytest.raises(dragoman.DeadlineExceeded):
            await remote.call("s.doubled", {"values": forever()}, timeout=0.3)
    assert clock.monotonic() - began < 5
