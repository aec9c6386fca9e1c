from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dragoman.contract.codec import decode, encode
from dragoman.core.call import Codec, Trace
from dragoman.core.fault import Cancelled, Fault, InvalidArgument, NotFound, Started
from dragoman.wire import meta
from dragoman.wire.frame import Kind

if TYPE_CHECKING:
    from tests.guest.conftest import Start
    from tests.guest.driver import Guest

SYNC = """
from concurrent.futures import ThreadPoolExecutor
from dragoman.core.fault import NotFound
from dragoman.guest.context import Context

def total(ctx: Context, country: str) -> list[object]:
    return [ctx.call("tax.rate", country=country)]

def forgives(ctx: Context) -> str:
    try:
        ctx.call("tax.rate")
    except NotFound as fault:
        return fault.detail
    return "nothing"

def fans_out(ctx: Context, n: int) -> list[int]:
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(lambda x: ctx.call("square", x=x), range(n)))

def calls(ctx: Context, function: object) -> object:
    return ctx.call(function)

def unsendable(ctx: Context) -> str:
    return ctx.call("tax.rate", order=object())

def same(x: int) -> int:
    return x
"""
ASYNC = """
import asyncio
from dragoman.guest.context import Context

async def total(ctx: Context, country: str) -> list[object]:
    return [await ctx.call("tax.rate", country=country)]

async def fans_out(ctx: Context, n: int) -> list[int]:
    return await asyncio.gather(*(ctx.call("square", x=x) for x in range(n)))

def same(x: int) -> int:
    return x

def total_in_main(ctx: Context, country: str) -> list[object]:
    return [ctx.call("tax.rate", country=country)]
"""
BOTH = pytest.mark.parametrize("source", [SYNC, ASYNC], ids=["sync", "async"])


def give(guest: Guest, call: int, value: object) -> None:
    guest.send(guest.connection.end(call, Codec.MSGPACK, encode(value, Codec.MSGPACK)))


@BOTH
def test_a_nested_call_carries_name_input_time_trace_and_depth(serve: Start, source: str) -> None:
    guest = serve(source)
    entries = meta.encode(Trace(bytes(range(16)), bytes(range(8))), "", "", 3)
    call = guest.start("total", {"country": "NL"}, ms=9_000, meta=entries)
    nested = guest.nested()
    found = meta.decode(nested.meta)
    assert (found.function, found.depth) == ("tax.rate", 4)
    assert found.trace is not None
    assert found.trace.trace_id == bytes(range(16))
    assert 5_000 < nested.amount <= 9_000
    assert decode(nested.body, nested.body_codec) == {"country": "NL"}
    give(guest, nested.call, {"rate": 0.21})
    assert guest.result(call) == [{"rate": 0.21}]


@BOTH
def test_a_stream_comes_back_as_a_list(serve: Start, source: str) -> None:
    guest = serve(source)
    call = guest.start("total", {"country": "NL"})
    nested = guest.nested()
    for number in range(3):
        guest.send(guest.connection.item(nested.call, Codec.JSON, str(number).encode()))
    guest.send(guest.connection.end(nested.call, Codec.JSON, b""))
    assert guest.result(call) == [[0, 1, 2]]


@BOTH
def test_a_long_stream_is_granted_credit(serve: Start, source: str) -> None:
    guest = serve(source)
    call = guest.start("total", {"country": "NL"})
    nested = guest.nested()
    body = b'"' + b"x" * 60_000 + b'"'
    for _ in range(12):
        while guest.connection.credit_of(nested.call) <= 0:
            guest.receive(lambda frame: frame.kind == Kind.CREDIT)
        guest.send(guest.connection.item(nested.call, Codec.JSON, body))
    guest.send(guest.connection.end(nested.call, Codec.JSON, b""))
    assert len(guest.result(call)[0]) == 12


@BOTH
def test_several_calls_at_once_find_their_own_answers(serve: Start, source: str) -> None:
    guest = serve(source)
    call = guest.start("fans_out", {"n": 5})
    nested = [guest.nested() for _ in range(5)]
    for each in reversed(nested):
        x = decode(each.body, each.body_codec)["x"]
        give(guest, each.call, x * x)
    assert guest.result(call) == [0, 1, 4, 9, 16]


@BOTH
def test_a_cancelled_caller_cancels_its_callee(serve: Start, source: str) -> None:
    guest = serve(source)
    call = guest.start("total", {"country": "NL"})
    nested = guest.nested()
    guest.cancel(call)
    assert guest.receive(lambda frame: frame.kind == Kind.CANCEL).call == nested.call
    guest.send(guest.connection.fault(nested.call, Cancelled("given up")))
    with pytest.raises(Cancelled):
        guest.result(call)
    assert guest.call("same", {"x": 1}) == 1


@BOTH
def test_a_fault_of_the_callee_is_the_callers_too(serve: Start, source: str) -> None:
    guest = serve(source)
    call = guest.start("total", {"country": "NL"})
    guest.send(guest.connection.fault(guest.nested().call, Fault.failed_precondition("no rates yet")))
    with pytest.raises(Fault, match="no rates yet") as caught:
        guest.result(call)
    assert caught.value.code == "FAILED_PRECONDITION"
    assert caught.value.started is Started.YES


def test_a_fault_of_the_callee_can_be_caught_by_its_class(serve: Start) -> None:
    guest = serve(SYNC)
    call = guest.start("forgives")
    guest.send(guest.connection.fault(guest.nested().call, NotFound("no tax here")))
    assert guest.result(call) == "no tax here"


def test_arguments_that_cannot_be_sent_are_refused_here(serve: Start) -> None:
    guest = serve(SYNC)
    with pytest.raises(InvalidArgument, match=r"tax\.rate cannot be called"):
        guest.call("unsendable")


@pytest.mark.parametrize("name", ["", "x" * 5_000, "a.b\n", None, 7, "\ud800"])
def test_what_is_no_name_of_a_function_is_refused_here(serve: Start, name: object) -> None:
    guest = serve(SYNC.replace("(function)", "('\\ud800')") if name == "\ud800" else SYNC)
    with pytest.raises(InvalidArgument) as caught:
        guest.call("calls", {"function": None if name == "\ud800" else name})
    assert len(caught.value.detail) < 500
    assert guest.call("same", {"x": 1}) == 1


def test_a_synchronous_function_beside_asynchronous_ones_calls_too(serve: Start) -> None:
    guest = serve(ASYNC)
    call = guest.start("total_in_main", {"country": "NL"})
    give(guest, guest.nested().call, 21)
    assert guest.result(call) == [21]


def test_a_worker_answers_pings_while_it_waits_for_a_callee(serve: Start) -> None:
    guest = serve(SYNC)
    call = guest.start("total", {"country": "NL"})
    nested = guest.nested()
    assert guest.pong() == b"hello"
    give(guest, nested.call, 1)
    assert guest.result(call) == [1]
