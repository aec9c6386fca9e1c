"""A stream goes as fast as its client grants, ends as its function ends it, and stops when nobody wants the rest."""

from __future__ import annotations

from dragoman.core.fault import Code, Fault
from dragoman.wire.frame import HEADER_BYTES, Kind

from .booth import Booth, Caller, Items, soon


async def test_items_come_one_by_one_and_then_the_end(stand: Booth, caller: Caller) -> None:
    caller.begin("fn.stream", stream=True)
    frames = [await caller.next() for _ in range(4)]
    assert [(frame.kind, frame.body) for frame in frames] == [
        (Kind.ITEM, b"1"),
        (Kind.ITEM, b"2"),
        (Kind.ITEM, b"3"),
        (Kind.END, b""),
    ]
    assert stand.items.closed.is_set()
    assert (stand.meter.ok, stand.meter.in_flight) == (1, 0)


async def test_a_function_that_fails_in_the_middle_says_so_there(stand: Booth, caller: Caller) -> None:
    stand.items = Items([b"1"], Fault.unknown("no"))
    caller.begin("fn.stream", stream=True)
    assert (await caller.next()).body == b"1"
    assert (await caller.fault()).code is Code.UNKNOWN


async def test_no_more_is_taken_from_the_function_than_the_client_grants(stand: Booth, caller: Caller) -> None:
    item = bytes(60_000)
    stand.items = Items([item] * 100)
    call = caller.begin("fn.stream", stream=True)
    window = caller.connection.limits.credit_bytes
    fits = -(-window // (len(item) + HEADER_BYTES))
    for _ in range(fits):
        assert (await caller.next()).kind == Kind.ITEM
    assert (await caller.call("fn.add", b'{"a":1,"b":2}')).body == b"3", "others go on"
    assert stand.items.taken == fits + 1, "one waits"
    for _ in range(fits):
        caller.writer.write(caller.connection.consumed(call, len(item)))
    assert (await caller.next()).call == call


async def test_a_cancelled_stream_is_closed(stand: Booth, caller: Caller) -> None:
    stand.items = Items([bytes(60_000)] * 100)
    call = caller.begin("fn.stream", stream=True)
    await caller.next()
    caller.writer.write(caller.connection.cancel(call))
    while (frame := await caller.next()).kind == Kind.ITEM:
        pass
    assert frame.kind == Kind.FAULT
    assert stand.items.closed.is_set()


async def test_the_stream_of_a_client_that_leaves_is_closed(stand: Booth, caller: Caller) -> None:
    stand.items = Items([bytes(60_000)] * 100)
    caller.begin("fn.stream", stream=True)
    await caller.next()
    await caller.close()
    await soon(stand.items.closed.wait())


async def test_an_item_too_large_for_the_wire_is_a_fault(stand: Booth, caller: Caller) -> None:
    stand.items = Items([bytes(stand.lane.limits.frame_bytes_max + 1)])
    caller.begin("fn.stream", stream=True)
    assert (await caller.fault()).code is Code.RESOURCE_EXHAUSTED
