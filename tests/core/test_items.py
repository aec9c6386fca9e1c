"""Streams are taken in batches, or gathered into one body of any codec, up to a bound."""

from __future__ import annotations

import pytest

from dragoman.core.call import Codec, Reply
from dragoman.core.fault import OutOfRange
from dragoman.core.items import GATHERED_BYTES_MAX, batches, gather
from dragoman.workers.stream import ReplyStream


def stream_of(*items: bytes) -> ReplyStream:
    stream = ReplyStream(lambda _: None, lambda: None)
    for item in items:
        stream.push(item)
    stream.end()
    return stream


class OneByOne:
    """A stream that has no batches."""

    def __init__(self, *items: bytes) -> None:
        self._items = iter(items)
        self.closed = False

    def __aiter__(self) -> OneByOne:
        return self

    async def __anext__(self) -> bytes:
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self.closed = True


async def test_what_is_there_comes_as_one_batch() -> None:
    assert [batch async for batch in batches(stream_of(b"1", b"2"))] == [[b"1", b"2"]]


async def test_a_stream_without_batches_comes_item_by_item() -> None:
    assert [batch async for batch in batches(OneByOne(b"1", b"2"))] == [[b"1"], [b"2"]]


async def test_a_gathered_stream_is_closed() -> None:
    items = OneByOne(b"1")
    await gather(Reply(b"", Codec.JSON, items), Codec.JSON)
    assert items.closed


@pytest.mark.parametrize(
    ("codec", "items", "body"),
    [(Codec.JSON, (b"1", b"2"), b"[1,2]"), (Codec.JSON, (), b"[]"), (Codec.BYTES, (b"a", b"b"), b"ab")],
)
async def test_streams_are_gathered_in_every_codec(codec: Codec, items: tuple[bytes, ...], body: bytes) -> None:
    assert (await gather(Reply(b"", codec, stream_of(*items)), codec)).body == body


async def test_a_stream_that_is_too_long_for_one_reply_is_a_fault() -> None:
    big = b"0" * (GATHERED_BYTES_MAX // 2 + 1)
    with pytest.raises(OutOfRange):
        await gather(Reply(b"", Codec.JSON, stream_of(big, big)), Codec.JSON)
