"""The server says where it is, drains in good order, and turns away those who are too slow."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dragoman.core.call import Reply
from dragoman.core.fault import Code
from dragoman.ingress.native.server import sweep
from dragoman.wire.frame import Kind
from dragoman.wire.report import load_fault

from .booth import Booth, Caller, booth


async def test_it_says_where_it_is_and_leaves_nothing_there(tmp_path: Path) -> None:
    async with booth(tmp_path) as stand:
        assert stand.server.urls == [f"unix://{stand.path}"]
        assert stand.path.exists()
    assert not stand.path.exists()


async def test_calls_in_flight_finish_and_others_are_refused(stand: Booth, caller: Caller) -> None:
    call = caller.begin("fn.held")
    _, pending = await stand.held.next()
    draining = asyncio.ensure_future(stand.server.drain(20))
    while not stand.lane.draining:  # noqa: ASYNC110 - nobody sets an event
        await asyncio.sleep(0)
    assert not stand.path.exists(), "the next host may have it"
    late = caller.begin("fn.add")
    assert (await caller.next()).kind == Kind.DRAIN
    refused = await caller.next()
    assert (refused.call, load_fault(refused.body).code) == (late, Code.UNAVAILABLE)
    pending.resolve(Reply(b"done"))
    assert (await caller.next()).call == call
    assert await draining


async def test_what_outlasts_the_grace_is_told(stand: Booth, caller: Caller) -> None:
    caller.begin("fn.held")
    await stand.held.next()
    assert not await stand.server.drain(0.02)
    await stand.server.close()
    assert await caller.ended()
    assert caller.frames[-1].kind == Kind.FAULT


async def test_an_idle_client_hears_that_the_host_leaves(stand: Booth, caller: Caller) -> None:
    await caller.call("fn.add", b'{"a":1,"b":2}')
    assert await stand.server.drain(20)
    await stand.server.close()
    assert await caller.ended()
    assert [frame.kind for frame in caller.frames] == [Kind.DRAIN, Kind.BYE]


async def test_whoever_does_not_introduce_itself_is_turned_away(tmp_path: Path) -> None:
    async with booth(tmp_path, handshake_timeout_s=0.0) as stand:
        caller = await stand.client(ready=False)
        sweep(stand.server.clients, stand.lane)
        assert (await caller.fault()).code is Code.DEADLINE_EXCEEDED


async def test_a_frame_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    async with booth(tmp_path, frame_timeout_s=0.0) as stand:
        caller = await stand.client()
        await caller.call("fn.add", b'{"a":1,"b":2}')
        sweep(stand.server.clients, stand.lane)
        assert (await caller.call("fn.add", b'{"a":1,"b":2}')).body == b"3", "an idle client may stay"
        (client,) = stand.server.clients
        caller.writer.write(b"\x10")
        while not client.receiving:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0)
        sweep(stand.server.clients, stand.lane)
        assert (await caller.fault()).code is Code.DEADLINE_EXCEEDED
