"""A call is answered by one END or FAULT, whatever becomes of it, and what it held is let go."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Code, Started
from dragoman.ingress.holding import HELD_BYTES_LEAST
from dragoman.wire.frame import Kind

from .booth import PREFIX, Booth, Caller


async def test_a_reply_comes_with_its_codec_and_its_time(caller: Caller) -> None:
    end = await caller.call("fn.add", b'{"a":1,"b":2}')
    assert (end.kind, end.codec, end.amount, end.body) == (Kind.END, Codec.JSON, 2, b"3")
    end = await caller.call("fn.echo", b"\x93\x01\x02\x03", codec=Codec.MSGPACK | Codec.JSON << 4)
    assert (end.codec, end.body) == (Codec.MSGPACK, b"\x93\x01\x02\x03"), (
        "what the function answered, not what was asked"
    )


async def test_replies_come_in_the_order_in_which_they_are_there(stand: Booth, caller: Caller) -> None:
    slow = caller.begin("fn.held")
    _, pending = await stand.held.next()
    assert (await caller.call("fn.add", b'{"a":1,"b":2}')).body == b"3"
    pending.resolve(Reply(b"late"))
    end = await caller.next()
    assert (end.call, end.body) == (slow, b"late")


@pytest.mark.parametrize(
    ("function", "code", "started"),
    [
        ("fn.boom", Code.UNKNOWN, Started.UNKNOWN),
        ("fn.bug", Code.INTERNAL, Started.YES),
        ("fn.broken", Code.INTERNAL, Started.YES),
        ("fn.full", Code.RESOURCE_EXHAUSTED, Started.NO),
    ],
)
async def test_a_call_that_fails_is_answered_and_counted(
    stand: Booth, caller: Caller, function: str, code: Code, started: Started
) -> None:
    fault = await caller.fault(function)
    assert (fault.code, fault.started, fault.traceback) == (code, started, "")
    assert stand.meter.faults == {code: 1}
    assert stand.meter.in_flight == 0


async def test_a_fault_is_logged_with_what_the_host_knows(stand: Booth, caller: Caller) -> None:
    await caller.fault("fn.boom", call_id="mine")
    await caller.fault("fn.boom")
    assert [(each.function, each.service, each.call_id) for each in stand.noted.faults] == [
        ("fn.boom", "booth", "mine"),
        ("fn.boom", "booth", f"{PREFIX}00000002"),
    ]
    await caller.fault("fn.full")
    assert len(stand.noted.faults) == 2, "an overload is said thousands of times a second"


async def test_a_cancelled_call_is_stopped_and_answered(stand: Booth, caller: Caller) -> None:
    call = caller.begin("fn.held")
    await stand.held.next()
    caller.writer.write(caller.connection.cancel(call))
    fault = await caller.fault()
    assert (fault.code, stand.held.cancelled.is_set()) == (Code.CANCELLED, True)


async def test_a_stream_that_nobody_asked_for_as_one_comes_as_an_array(stand: Booth, caller: Caller) -> None:
    end = await caller.call("fn.stream")
    assert (end.kind, end.body) == (Kind.END, b"[1,2,3]")
    assert stand.items.closed.is_set()


async def test_a_reply_too_large_for_the_wire_is_a_fault(stand: Booth, caller: Caller) -> None:
    caller.begin("fn.held")
    _, pending = await stand.held.next()
    pending.resolve(Reply(bytes(stand.lane.limits.frame_bytes_max + 1)))
    fault = await caller.fault()
    assert (fault.code, fault.started) == (Code.RESOURCE_EXHAUSTED, Started.YES)
    assert (await caller.call("fn.add", b'{"a":1,"b":2}')).body == b"3", "the connection goes on"


async def test_large_bodies_are_counted_while_they_are_held(stand: Booth, caller: Caller) -> None:
    body = bytes(HELD_BYTES_LEAST + 1)
    caller.begin("fn.held", body)
    _, pending = await stand.held.next()
    assert stand.lane.held_bytes == len(body)
    pending.resolve(Reply(b""))
    await caller.next()
    assert stand.lane.held_bytes == 0


async def test_what_a_client_that_leaves_had_asked_for_is_stopped(stand: Booth, caller: Caller) -> None:
    caller.begin("fn.held", bytes(HELD_BYTES_LEAST + 1))
    await stand.held.next()
    await caller.close()
    await asyncio.wait_for(stand.held.cancelled.wait(), 10)
    assert (stand.meter.in_flight, stand.lane.held_bytes) == (0, 0)


async def test_a_client_sends_an_input_stream_as_it_is_taken(stand: Booth, caller: Caller) -> None:
    call = caller.feed("fn.total", b"1", b"2")
    caller.writer.write(caller.connection.finish(call))
    end = await caller.next()
    assert (end.kind, end.call, end.body) == (Kind.END, call, b"3")
    call = caller.feed("fn.total", b"1" + b" " * 200_000)
    credit = await caller.next()
    assert (credit.kind, credit.call, credit.amount) == (Kind.CREDIT, call, 200_033)
    caller.writer.write(caller.connection.finish(call))
    assert (await caller.next()).body == b"1"
    assert stand.meter.in_flight == 0


async def test_a_client_that_gives_up_in_the_middle_of_its_input_is_answered(stand: Booth, caller: Caller) -> None:
    call = caller.feed("fn.total", b"1")
    caller.writer.write(caller.connection.cancel(call))
    assert (await caller.next()).kind == Kind.FAULT
    assert stand.meter.in_flight == 0
