from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from dragoman.core.call import Trace
from dragoman.wire import meta

if TYPE_CHECKING:
    from tests.guest.conftest import Start

SOURCE = """
import math
from dragoman.guest.context import Context

kept = []

def remaining(ctx: Context) -> float | None:
    return None if math.isinf(ctx.remaining) else ctx.remaining

def identity(ctx: Context) -> list[str]:
    return [ctx.call_id, ctx.trace]

def logs(ctx: Context) -> None:
    ctx.log("priced", level="ERROR", order=7, odd={1, 2})

def logs_much(ctx: Context) -> None:
    for _ in range(10_000):
        ctx.log("x" * 100)

def progresses(ctx: Context) -> None:
    for step in range(1000):
        ctx.progress(step / 1000)
    ctx.progress(1.0, "done")

def last_word(ctx: Context, fail: bool = False) -> None:
    for step in range(10):
        ctx.progress(step / 100, str(step))
    if fail:
        raise ValueError("no good")

def keeps(ctx: Context) -> bool:
    kept.append(ctx)
    return ctx.cancelled

def late() -> list[bool]:
    kept[0].log("late")
    return [kept[0].cancelled]

async def remaining_async(ctx: Context) -> float:
    return ctx.remaining

async def logs_async(ctx: Context) -> bool:
    ctx.log("from a task")
    ctx.progress(0.5, "half")
    ctx.progress(0.6, "more")
    return ctx.cancelled
"""

SYNC = SOURCE[: SOURCE.index("async def")]


def test_remaining_counts_down_from_the_deadline(serve: Start) -> None:
    guest = serve(SYNC)
    assert 8 < guest.call("remaining", ms=10_000) <= 10
    assert guest.call("remaining") is None


def test_the_ids_are_those_of_the_caller(serve: Start) -> None:
    guest = serve(SYNC)
    trace = Trace(bytes(range(16)), bytes(range(8)))
    entries = meta.encode(trace, "my-call")
    assert guest.call("identity", meta=entries) == [
        "my-call",
        "00-000102030405060708090a0b0c0d0e0f-0001020304050607-01",
    ]
    assert guest.call("identity") == ["cafe00000002", ""]


def test_a_log_line_carries_its_fields(serve: Start) -> None:
    guest = serve(SYNC)
    call = guest.start("logs")
    assert guest.told(call)["log"] == {
        "message": "priced",
        "level": "error",
        "stream": "log",
        "fields": {"order": "7", "odd": "{1, 2}"},
    }


def test_what_a_function_logs_is_bounded(serve: Start) -> None:
    guest = serve(SYNC)
    call = guest.start("logs_much")
    guest.result(call)
    assert len(guest.events[call]) < 1000
    assert guest.events[call][-1]["log"]["fields"]["dropped_bytes"] > 0


def test_progress_is_thinned_but_its_end_is_told(serve: Start) -> None:
    guest = serve(SYNC)
    call = guest.start("progresses")
    guest.result(call)
    assert len(guest.events[call]) < 500
    assert guest.events[call][-1] == {"progress": {"share": 1.0, "message": "done"}}


@pytest.mark.parametrize("fail", [False, True])
def test_the_last_progress_is_told_when_the_function_ends(serve: Start, fail: bool) -> None:  # noqa: FBT001 - a parameter
    guest = serve(SYNC)
    call = guest.start("last_word", {"fail": fail})
    guest.answer(call)
    assert guest.events[call][-1] == {"progress": {"share": 0.09, "message": "9"}}


def test_a_context_that_outlives_its_call_is_over(serve: Start) -> None:
    guest = serve(SYNC)
    assert guest.call("keeps") is False
    assert guest.call("late") == [True]


def test_an_asynchronous_function_has_the_same_context(serve: Start) -> None:
    guest = serve(SOURCE)
    assert 8 < guest.call("remaining_async", ms=10_000) <= 10
    call = guest.start("logs_async")
    assert guest.told(call)["log"]["message"] == "from a task"
    assert guest.told(call)["progress"] == {"share": 0.5, "message": "half"}
    assert guest.told(call)["progress"] == {"share": 0.6, "message": "more"}
    assert guest.result(call) is False
    assert math.isfinite(guest.call("remaining", ms=1000))
