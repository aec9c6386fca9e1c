from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dragoman.core.fault import Cancelled, Unimplemented, Unknown
from dragoman.wire.frame import Kind
from tests.guest.driver import small_credit

if TYPE_CHECKING:
    from tests.guest.conftest import Start

SOURCE = """
import os
import time
from collections.abc import Iterator
from dragoman.guest.context import Context

def count(n: int, mark: str = "") -> Iterator[int]:
    try:
        for number in range(n):
            yield number
    finally:
        if mark:
            open(mark, "w").close()

def big(n: int) -> Iterator[str]:
    for _ in range(n):
        yield "x" * 100_000

def fails(after: int) -> Iterator[int]:
    yield from range(after)
    raise ValueError("no more")

def paused(gate: str) -> Iterator[int]:
    yield 1
    yield 2
    while not os.path.exists(gate):
        time.sleep(0.002)
    yield 3

def unwritable() -> Iterator[object]:
    yield 1
    yield object()

def endless(mark: str) -> Iterator[int]:
    try:
        while True:
            yield 1
            time.sleep(0.001)
    finally:
        open(mark, "w").close()

def same(x: int) -> int:
    return x
"""


def test_a_generator_streams_its_items_and_ends(serve: Start) -> None:
    guest = serve(SOURCE)
    call = guest.start("count", {"n": 100}, stream=True)
    assert [guest.item(call) for _ in range(100)] == list(range(100))
    assert guest.result(call) is None


def test_an_empty_stream_ends_without_a_body(serve: Start) -> None:
    guest = serve(SOURCE)
    frame = guest.answer(guest.start("count", {"n": 0}, stream=True))
    assert (frame.kind, frame.body) == (Kind.END, b"")


def test_items_go_out_though_the_next_takes_long(serve: Start) -> None:
    guest = serve(SOURCE)
    gate = guest.folder / "gate"
    call = guest.start("paused", {"gate": str(gate)}, stream=True)
    assert [guest.item(call), guest.item(call)] == [1, 2]
    gate.touch()
    assert guest.item(call) == 3


def test_a_stream_keeps_to_its_credit(serve: Start) -> None:
    guest = serve(SOURCE, hello=small_credit(250_000))
    call = guest.start("big", {"n": 20}, stream=True)
    assert guest.pong() == b"hello"
    # The connection itself raises a fault for an item without credit; here: that no more come than fit.
    guest.receive(lambda frame: frame.kind == Kind.ITEM and frame.call == call)
    guest.send(guest.connection.consumed(call, 100_002))
    for _ in range(19):
        guest.item(call)
    assert guest.answer(call).kind == Kind.END


def test_a_stream_without_credit_stops_when_it_is_cancelled(serve: Start) -> None:
    guest = serve(SOURCE, hello=small_credit(1000))
    mark = guest.folder / "closed"
    call = guest.start("count", {"n": 1_000_000, "mark": str(mark)}, stream=True)
    guest.receive(lambda frame: frame.kind == Kind.ITEM)
    assert guest.pong() == b"hello"
    guest.cancel(call)
    with pytest.raises(Cancelled):
        guest.result(call)
    assert mark.exists()
    assert guest.call("same", {"x": 1}) == 1


def test_a_stream_that_runs_is_closed_when_it_is_cancelled(serve: Start) -> None:
    guest = serve(SOURCE)
    mark = guest.folder / "closed"
    call = guest.start("endless", {"mark": str(mark)}, stream=True)
    guest.item(call)
    guest.cancel(call)
    with pytest.raises(Cancelled):
        guest.result(call)
    assert mark.exists()


def test_a_stream_that_fails_says_so_after_its_items(serve: Start) -> None:
    guest = serve(SOURCE)
    call = guest.start("fails", {"after": 3}, stream=True)
    assert [guest.item(call) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(Unknown, match="ValueError: no more"):
        guest.result(call)


def test_an_item_that_cannot_be_written_ends_the_stream(serve: Start) -> None:
    guest = serve(SOURCE)
    call = guest.start("unwritable", stream=True)
    assert guest.item(call) == 1
    with pytest.raises(Unknown, match="cannot be"):
        guest.result(call)


def test_a_generator_is_not_called_for_one_reply(serve: Start) -> None:
    with pytest.raises(Unimplemented):
        serve(SOURCE).call("count", {"n": 1})


def test_a_stream_gives_the_worker_back(serve: Start) -> None:
    guest = serve(SOURCE)
    stream = guest.start("count", {"n": 1000}, stream=True)
    behind = guest.start("same", {"x": 5})
    for _ in range(1000):
        guest.item(stream)
    assert guest.result(behind) == 5
    assert json.dumps(guest.result(stream)) == "null"
