"""Streams are taken in batches, or gathered into one body of any codec, up to a bound."""

from __future__ import annotations

import pytest

from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Cancelled, Fault, Internal, NotFound, OutOfRange
from dragoman.core.items import GATHERED_BYTES_MAX, batches, close_stream, gather
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


class Unclean(OneByOne):
    """A stream that cannot be closed properly."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def aclose(self) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "before", "told"),
    [
        (NotFound("late"), None, NotFound),
        (RuntimeError("broken"), None, Internal),
        (NotFound("late"), Cancelled("early"), Cancelled),
        (RuntimeError("broken"), Cancelled("early"), Cancelled),
    ],
)
async def test_a_clean_up_that_fails_is_told_where_nothing_else_did(
    error: Exception, before: Fault | None, told: type[Fault]
) -> None:
    assert isinstance(await close_stream(Unclean(error), before), told)


async def test_a_stream_that_closes_properly_ends_as_it_did() -> None:
    fault = Cancelled("early")
    assert await close_stream(OneByOne()) is None
    assert await close_stream(OneByOne(), fault) is fault


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
