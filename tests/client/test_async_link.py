"""A connection on a loop: answers find their callers, and whatever the host does, everyone is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator

import pytest

from dragoman.client.async_link import AsyncLink
from dragoman.client.wired import ask
from dragoman.core.call import Codec
from dragoman.core.fault import Fault, Started, Unavailable
from dragoman.wire.frame import Frame, Kind
from dragoman.wire.handshake import Ready

from .scripted_host import ScriptedHost

TIMEOUT_S = 10.0


@pytest.fixture
async def ends() -> AsyncGenerator[tuple[AsyncLink, ScriptedHost]]:
    ours, theirs = socket.socketpair()
    host = ScriptedHost(theirs)
    link = AsyncLink("unix:///x", Ready("test"))
    await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=ours)
    await asyncio.wait_for(link.greeted, TIMEOUT_S)
    yield link, host
    link.close()
    await asyncio.wait_for(link.gone.wait(), TIMEOUT_S)
    theirs.close()


async def begun(link: AsyncLink, host: ScriptedHost) -> tuple[asyncio.Task[tuple[int, bytes]], Frame]:
    task = asyncio.ensure_future(link.call(ask("fn.f", None), None))
    return task, await asyncio.to_thread(host.call)


async def test_answers_find_their_callers(ends: tuple[AsyncLink, ScriptedHost]) -> None:
    link, host = ends
    first, one = await begun(link, host)
    second, two = await begun(link, host)
    host.answer(two, b"2")
    host.answer(one, b"1")
    assert (await first, await second) == ((Codec.JSON, b"1"), (Codec.JSON, b"2"))


async def test_a_ping_is_answered(ends: tuple[AsyncLink, ScriptedHost]) -> None:
    _, host = ends
    assert (await asyncio.to_thread(host.next)).kind == Kind.READY
    host.send(host.connection.ping(b"x"))
    assert (await asyncio.to_thread(host.next)).kind == Kind.PONG


async def test_a_cancelled_wait_sends_cancel(ends: tuple[AsyncLink, ScriptedHost]) -> None:
    link, host = ends
    task, frame = await begun(link, host)
    task.cancel()
    cancel = await asyncio.to_thread(host.next)
    assert (cancel.kind, cancel.call) == (Kind.CANCEL, frame.call)
    host.answer(frame)
    again, other = await begun(link, host)
    host.answer(other)
    await again


@pytest.mark.parametrize("how", ["eof", "noise", "failure"])
async def test_whatever_ends_the_connection_everyone_is_told(ends: tuple[AsyncLink, ScriptedHost], how: str) -> None:
    link, host = ends
    tasks = [(await begun(link, host))[0] for _ in range(3)]
    if how == "noise":
        host.send(b"\xff" * 64)
    elif how == "failure":
        host.send(host.connection.fault(0, Fault.internal("out of order")))
    host.sock.shutdown(socket.SHUT_WR)
    for task in tasks:
        with pytest.raises(Unavailable) as told:
            await asyncio.wait_for(task, TIMEOUT_S)
        assert told.value.started is Started.UNKNOWN
    assert not link.usable


async def test_a_host_that_drains_is_left_once_it_has_answered(ends: tuple[AsyncLink, ScriptedHost]) -> None:
    link, host = ends
    task, frame = await begun(link, host)
    host.send(host.connection.drain())
    host.answer(frame)
    await task
    await asyncio.wait_for(link.gone.wait(), TIMEOUT_S)
    assert (await asyncio.to_thread(host.next)).kind == Kind.BYE


async def test_items_come_as_they_are_sent(ends: tuple[AsyncLink, ScriptedHost]) -> None:
    link, host = ends
    call_id, slot = await link.begin(ask("fn.f", None), None, stream=True)
    frame = await asyncio.to_thread(host.call)
    host.send(host.connection.item(frame.call, Codec.JSON, b"1") + host.connection.item(frame.call, Codec.JSON, b"2"))
    host.send(host.connection.end(frame.call, Codec.NONE, b""))
    got: list[bytes] = []
    while items := await asyncio.wait_for(link.next_items(call_id, slot), TIMEOUT_S):
        got += [body for _, body in items]
    assert got == [b"1", b"2"]
