"""A connection begins with a handshake, keeps its bounds, and ends in good order or with the reason."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import cast

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import Code, PermissionDenied
from dragoman.ingress.native import protocol
from dragoman.ingress.native.guard import Guard
from dragoman.wire import meta
from dragoman.wire.frame import GUEST_BIT, Frame, Kind, encode
from dragoman.wire.report import load_fault

from .booth import JSON, Booth, Caller, booth, soon


async def test_the_host_says_who_it_is_and_what_it_takes(stand: Booth) -> None:
    caller = await stand.client(ready=False)
    said = caller.connection.said_hello
    assert said is not None
    assert (said.host, said.service, said.limits.calls_max) == ("dragoman/9", "booth", 1024)


async def test_calls_may_come_right_behind_ready_and_in_any_pieces(stand: Booth) -> None:
    caller = await stand.client()
    for _ in range(3):
        caller.begin("fn.add", b'{"a":1,"b":2}')
    assert [(await caller.next()).body for _ in range(3)] == [b"3"] * 3
    head = meta.encode(function="fn.echo")
    data = caller.connection.call_header(GUEST_BIT + 99, 0, JSON, 3, 0, head) + b"abc"
    for position in range(len(data)):
        caller.writer.write(data[position : position + 1])
        await caller.writer.drain()
    assert (await caller.next()).body == b"abc"


async def test_a_ping_is_answered_in_order(caller: Caller) -> None:
    caller.writer.write(caller.connection.ping(b"one") + caller.connection.ping(b"two"))
    assert [(await caller.next()).body for _ in range(2)] == [b"one", b"two"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        os.urandom(64) + b"\xff" * 64,
        encode(Frame(Kind.DRAIN)),
        encode(Frame(Kind.EVENT, codec=JSON, body=b"{}")),
        encode(Frame(Kind.CALL, codec=JSON, call=GUEST_BIT + 1, body=b"{}")),
        encode(Frame(Kind.CALL, codec=JSON, call=1, meta=meta.encode(function="fn.add"), body=b"{}")),
        encode(Frame(Kind.READY, codec=JSON, body=b'{"version":1,"language":"x"}')),
    ],
    ids=["http", "noise", "drain", "event", "nameless", "id", "ready"],
)
async def test_whoever_breaks_the_protocol_is_told_and_closed(stand: Booth, caller: Caller, data: bytes) -> None:
    assert (await caller.call("fn.add", b'{"a":1,"b":2}')).body == b"3"
    caller.writer.write(data)
    assert await caller.ended()
    (last,) = caller.frames
    assert (last.kind, last.call, load_fault(last.body).code) == (Kind.FAULT, 0, Code.INTERNAL)
    assert stand.noted.counts.refusals == {"protocol": 1}
    other = await stand.client()
    assert (await other.call("fn.add", b'{"a":1,"b":2}')).body == b"3", "others are served"


async def test_nothing_is_run_before_ready(stand: Booth) -> None:
    caller = await stand.client(ready=False)
    head = meta.encode(function="fn.add")
    caller.writer.write(encode(Frame(Kind.CALL, codec=JSON, call=GUEST_BIT + 1, meta=head, body=b"{}")))
    assert await caller.ended()
    assert stand.calls == []


async def test_a_client_says_bye_and_its_calls_are_stopped(stand: Booth, caller: Caller) -> None:
    caller.begin("fn.held")
    await stand.held.next()
    caller.writer.write(caller.connection.bye())
    assert await caller.ended()
    assert stand.held.cancelled.is_set()


async def test_one_client_too_many_is_told(tmp_path: Path) -> None:
    async with booth(tmp_path, connections_max=1) as stand:
        first = await stand.client()
        assert (await first.call("fn.add", b'{"a":1,"b":2}')).body == b"3"
        second = await stand.client(ready=False)
        assert (await second.fault()).code is Code.RESOURCE_EXHAUSTED
        assert await second.ended()
        await second.close()
        await first.close()
        while stand.noted.counts.connections:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0)
        third = await stand.client()
        assert (await third.call("fn.add", b'{"a":1,"b":2}')).body == b"3"


async def test_a_crowd_is_just_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "CROWD_MAX", 0)
    async with booth(tmp_path, connections_max=1) as stand:
        await stand.client()
        reader, writer = await asyncio.open_unix_connection(str(stand.path))
        with contextlib.suppress(ConnectionError):
            assert await soon(reader.read(1)) == b"", "closed without a word"
        writer.close()


async def test_a_user_who_may_not_come_in_is_told(stand: Booth, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_guard: Guard, _sock: object) -> None:
        raise PermissionDenied("not you")

    monkeypatch.setattr(Guard, "check", refuse)
    caller = await stand.client(ready=False)
    assert (await caller.fault()).code is Code.PERMISSION_DENIED
    assert await caller.ended()


async def test_calls_past_the_clients_own_limit_are_a_protocol_fault(tmp_path: Path) -> None:
    async with booth(tmp_path, calls_max=2) as stand:
        caller = await stand.client()
        for _ in range(2):
            caller.begin("fn.held")
        head = meta.encode(function="fn.held")
        caller.writer.write(encode(Frame(Kind.CALL, codec=JSON, call=GUEST_BIT + 9, meta=head)))
        assert await caller.ended()
        await soon(stand.held.cancelled.wait())


async def test_a_client_that_reads_nothing_is_not_read_from(stand: Booth, caller: Caller) -> None:
    transport = cast("asyncio.Transport", caller.writer.transport)
    transport.pause_reading()
    body = bytes(1 << 20)
    (client,) = stand.server.clients
    sent = 0
    while client.writable:
        caller.begin("fn.echo", body, codec=Codec.BYTES)
        sent += 1
        await asyncio.sleep(0)
        assert sent < 100
    taken = len(stand.calls)
    caller.begin("fn.echo", body, codec=Codec.BYTES)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(stand.calls) <= taken + 1
    transport.resume_reading()
    for _ in range(sent + 1):
        assert (await caller.next()).body == body


async def test_the_caller_of_a_call_is_the_user_at_the_other_end(stand: Booth) -> None:
    for _ in range(2):
        await (await stand.client()).call("fn.add", b'{"a":1,"b":2}')
    assert [call.caller for call in stand.calls] == [f"uid:{os.geteuid()}"] * 2
