from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dragoman.core.call import Call, Codec
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Code, DeadlineExceeded, Fault
from dragoman.core.target import Target
from dragoman.upstream.reply import WholeStream, array_items, whole, within

TARGET = Target("it", "it", "it", 0, 1.0)


def call(wanted: Codec = Codec.JSON, *, raw: bool = False) -> Call:
    return Call(replace(TARGET, raw_output=raw), b"{}", Codec.JSON, reply_codec=wanted)


@pytest.mark.parametrize(
    ("kind", "body", "media", "asked", "expected"),
    [
        ("json", b"\xef\xbb\xbf[1]", "application/json", call(), (b"[1]", Codec.JSON)),
        ("json", b"", "application/json", call(), (b"null", Codec.JSON)),
        ("text", "ä".encode("utf-16"), 'text/plain; charset="utf-16"', call(), ('"ä"'.encode(), Codec.JSON)),
        ("bytes", b"\x00", "image/png", call(), (b'"AA=="', Codec.JSON)),
        ("bytes", b"\x00", "image/png", call(Codec.BYTES, raw=True), (b"\x00", Codec.BYTES)),
        ("bytes", b"", "image/png", call(Codec.BYTES, raw=True), (b"", Codec.BYTES)),
        ("bytes", b"\x00", "image/png", call(Codec.MSGPACK), (b"\xc4\x01\x00", Codec.MSGPACK)),
    ],
)
def test_a_body_is_read_by_its_kind(
    kind: str, body: bytes, media: str, asked: Call, expected: tuple[bytes, Codec]
) -> None:
    reply = whole(kind, body, media, asked)
    assert (reply.body, reply.codec) == expected


@pytest.mark.parametrize(
    ("kind", "body", "media"),
    [("json", b"{", ""), ("text", b"\xff", "text/plain"), ("text", b"a", "text/plain; charset=no-such")],
)
def test_a_body_that_is_not_of_its_kind_is_data_loss(kind: str, body: bytes, media: str) -> None:
    with pytest.raises(Fault) as raised:
        whole(kind, body, media, call())
    assert raised.value.code is Code.DATA_LOSS


async def test_waiting_ends_at_the_deadline_and_not_before() -> None:
    clock = SystemClock()
    asked = call()
    asked.deadline = clock.monotonic() + 0.05
    with pytest.raises(DeadlineExceeded):
        await within(asyncio.Event().wait(), asked, clock)

    async def own() -> None:
        raise TimeoutError

    asked.deadline = clock.monotonic() + 60
    with pytest.raises(TimeoutError):
        await within(own(), asked, clock)


async def test_an_array_stands_for_a_stream() -> None:
    assert array_items(b"[1, {}]") == [b"1", b"{}"]
    assert array_items(b'{"a":\n1}') == [b'{"a":1}']
    stream = WholeStream([b"1", b"2"])
    assert [item async for item in stream] == [b"1", b"2"]
