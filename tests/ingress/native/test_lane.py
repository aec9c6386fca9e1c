"""What a CALL says becomes the call that its function gets, or a refusal before any work."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from dragoman.client.connecting import connect
from dragoman.core.call import Codec, Priority, Trace
from dragoman.core.fault import Code, Started
from dragoman.wire.meta import DEPTH_MAX

from .booth import Booth, Caller, booth


async def test_what_the_frame_says_is_what_the_function_gets(stand: Booth, caller: Caller) -> None:
    trace = Trace(b"\x01" * 16, b"\x02" * 8, 1, "a=b")
    await caller.call("fn.echo", b"\x01", codec=Codec.MSGPACK | Codec.JSON << 4, ms=900, depth=3, trace=trace)
    call = stand.calls[-1]
    assert (call.body, call.codec, call.reply_codec, call.depth) == (b"\x01", Codec.MSGPACK, Codec.JSON, 3)
    assert abs(call.deadline - call.arrived_at - 0.9) < 1e-6
    assert call.trace is not None
    assert (call.trace.trace_id, call.trace.span_id, call.trace.state) == (b"\x01" * 16, b"\x07" * 8, "a=b")


async def test_clients_say_how_much_a_call_matters_and_which_are_the_same(stand: Booth) -> None:
    remote = connect(f"unix://{stand.path}")
    blocking = partial(remote.call, "fn.echo", b"1", priority="critical", idempotency_key="k-1")
    assert await asyncio.to_thread(blocking) == b"1"
    await asyncio.to_thread(remote.close)
    async with connect(f"unix://{stand.path}") as awaited:
        assert await awaited.call("fn.echo", b"2", priority="batch", idempotency_key="k-2") == b"2"
        assert await awaited.call("fn.echo", b"3") == b"3"
    said = [(call.priority, call.idempotency_key) for call in stand.calls]
    assert said == [(Priority.CRITICAL, "k-1"), (Priority.BATCH, "k-2"), (Priority.NORMAL, "")]


async def test_a_caller_shortens_the_functions_own_time_and_never_extends_it(stand: Booth, caller: Caller) -> None:
    for ms in (0, 60_000):
        await caller.call("fn.echo", b"1", ms=ms)
        assert abs(stand.calls[-1].deadline - stand.calls[-1].arrived_at - 5.0) < 1e-6


async def test_raw_bytes_are_for_functions_that_take_them(stand: Booth, caller: Caller) -> None:
    assert (await caller.call("fn.echo", b"\xff", codec=Codec.BYTES)).body == b"\xff"
    fault = await caller.fault("fn.add", b"\xff", codec=Codec.BYTES)
    assert (fault.code, fault.started) == (Code.INVALID_ARGUMENT, Started.NO)
    assert stand.noted.counts.refusals == {"codec": 1}


async def test_a_chain_of_calls_ends(caller: Caller) -> None:
    assert (await caller.call("fn.echo", b"1", depth=DEPTH_MAX)).body == b"1"
    assert (await caller.fault("fn.echo", b"1", depth=DEPTH_MAX + 1)).code is Code.RESOURCE_EXHAUSTED


async def test_a_body_past_the_limit_is_refused_and_the_connection_goes_on(tmp_path: Path) -> None:
    async with booth(tmp_path, body_bytes_max=1000) as stand:
        caller = await stand.client()
        assert (await caller.fault("fn.echo", bytes(1001))).code is Code.INVALID_ARGUMENT
        assert (await caller.call("fn.echo", bytes(1000))).body == bytes(1000)
        assert stand.noted.counts.refusals == {"body": 1}


async def test_large_bodies_past_the_bound_are_refused(stand: Booth, caller: Caller) -> None:
    stand.lane.held_bytes_max = 200_000
    caller.begin("fn.held", bytes(150_000))
    await stand.held.next()
    fault = await caller.fault("fn.echo", bytes(100_000))
    assert (fault.code, fault.started) == (Code.RESOURCE_EXHAUSTED, Started.NO)
    assert (await caller.call("fn.echo", b"1")).body == b"1"


async def test_a_host_that_stops_takes_no_new_calls(stand: Booth, caller: Caller) -> None:
    await caller.call("fn.echo", b"1")
    stand.lane.draining = True
    fault = await caller.fault("fn.echo")
    assert (fault.code, fault.started, fault.retryable) == (Code.UNAVAILABLE, Started.NO, True)
