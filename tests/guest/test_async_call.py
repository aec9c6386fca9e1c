from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from dragoman.core.fault import Cancelled, DeadlineExceeded, Fault, Started, Unimplemented, Unknown
from dragoman.wire.frame import Kind
from dragoman.wire.handshake import Hello
from tests.guest.driver import small_credit

if TYPE_CHECKING:
    from tests.guest.conftest import Start

SOURCE = """
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dragoman.core.fault import Fault

async def forever() -> None:
    await asyncio.Event().wait()

async def cleans_up(mark: str) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        open(mark, "w").close()

async def raises() -> None:
    raise ValueError("bad luck")

async def exits() -> None:
    sys.exit(3)

async def refuses() -> None:
    raise Fault.aborted("conflict")

async def cancels_itself() -> None:
    raise asyncio.CancelledError

async def says(text: str, gate: str) -> None:
    print(text, end="")
    while not os.path.exists(gate):
        await asyncio.sleep(0.001)
    print(" and", text)
    await asyncio.to_thread(print, "thread of", text)

async def count(n: int, mark: str = "") -> AsyncIterator[int]:
    try:
        for number in range(n):
            yield number
    finally:
        if mark:
            open(mark, "w").close()

async def fails(after: int) -> AsyncIterator[int]:
    for number in range(after):
        yield number
    raise ValueError("no more")

async def endless(mark: str) -> AsyncIterator[int]:
    try:
        while True:
            yield 1
            await asyncio.sleep(0.001)
    finally:
        open(mark, "w").close()

async def same(x: int) -> int:
    return x
"""


def test_a_cancelled_task_is_cancelled_and_cleans_up(serve: Start) -> None:
    guest = serve(SOURCE)
    mark = guest.folder / "cleaned"
    call = guest.start("cleans_up", {"mark": str(mark)})
    assert guest.pong() == b"hello"
    guest.cancel(call)
    with pytest.raises(Cancelled) as caught:
        guest.result(call)
    assert caught.value.started is Started.YES
    assert mark.exists()


def test_a_task_that_is_cancelled_before_its_first_step_is_answered(serve: Start) -> None:
    guest = serve(SOURCE, hello=Hello("test/0", concurrency=8))
    frame = guest.frame("same", {"x": 1})
    guest.send(frame, guest.connection.cancel(guest.last))
    with pytest.raises(Cancelled) as caught:
        guest.result(guest.last)
    assert caught.value.started is Started.NO
    assert guest.call("same", {"x": 2}) == 2


@pytest.mark.parametrize(
    ("name", "detail"),
    [("raises", "ValueError: bad luck"), ("exits", r"sys.exit\(3\)"), ("cancels_itself", "CancelledError")],
)
def test_whatever_a_task_raises_is_a_fault_and_the_worker_serves_on(serve: Start, name: str, detail: str) -> None:
    guest = serve(SOURCE)
    with pytest.raises(Unknown, match=detail):
        guest.call(name)
    assert guest.call("same", {"x": 1}) == 1


def test_a_raised_fault_keeps_its_code(serve: Start) -> None:
    with pytest.raises(Fault, match="conflict") as caught:
        serve(SOURCE).call("refuses")
    assert caught.value.code == "ABORTED"


def test_a_call_whose_deadline_passed_in_line_never_begins(serve: Start) -> None:
    guest = serve(SOURCE, hello=Hello("test/0", concurrency=1))
    first = guest.start("forever")
    late = guest.start("same", {"x": 1}, ms=1)
    over_at = time.monotonic() + 0.01
    while time.monotonic() < over_at:
        assert guest.pong() == b"hello"
    guest.cancel(first)
    with pytest.raises(DeadlineExceeded) as caught:
        guest.result(late)
    assert caught.value.started is Started.NO


def test_output_of_calls_side_by_side_is_told_apart(serve: Start) -> None:
    guest = serve(SOURCE, hello=Hello("test/0", concurrency=8))
    gate = guest.folder / "gate"
    calls = {text: guest.start("says", {"text": text, "gate": str(gate)}) for text in ("one", "two", "three")}
    assert guest.pong() == b"hello"
    gate.touch()
    for text, call in calls.items():
        guest.result(call)
        lines = [event["log"]["message"] for event in guest.events[call]]
        assert lines == [f"{text} and {text}", f"thread of {text}"]


def test_an_asynchronous_generator_streams_under_credit(serve: Start) -> None:
    guest = serve(SOURCE, hello=small_credit(200))
    call = guest.start("count", {"n": 200}, stream=True)
    assert [guest.item(call) for _ in range(200)] == list(range(200))
    assert guest.answer(call).kind == Kind.END


def test_a_stream_without_credit_stops_when_it_is_cancelled(serve: Start) -> None:
    guest = serve(SOURCE, hello=small_credit(200))
    mark = guest.folder / "closed"
    call = guest.start("count", {"n": 1_000_000, "mark": str(mark)}, stream=True)
    guest.receive(lambda frame: frame.kind == Kind.ITEM)
    guest.cancel(call)
    with pytest.raises(Cancelled):
        guest.result(call)
    assert mark.exists()


def test_a_stream_that_waits_is_closed_when_it_is_cancelled(serve: Start) -> None:
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
    call = guest.start("fails", {"after": 2}, stream=True)
    assert [guest.item(call), guest.item(call)] == [0, 1]
    with pytest.raises(Unknown, match="ValueError: no more"):
        guest.result(call)


def test_an_asynchronous_generator_is_not_called_for_one_reply(serve: Start) -> None:
    with pytest.raises(Unimplemented):
        serve(SOURCE).call("count", {"n": 1})
