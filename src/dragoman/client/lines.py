"""An input stream as the body of a request: JSON Lines, and the rest of the input as a query string."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from dragoman.client.outflow import values_of
from dragoman.contract import codec
from dragoman.core.call import Codec
from dragoman.core.fault import InvalidArgument, Started

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator

TYPE = "application/jsonl"


def query_of(value: dict[str, Any]) -> str:
    """The input without its stream, as a host reads it from a query. Raises `InvalidArgument`."""
    plain = cast("dict[str, Any]", codec.decode(_encoded(value), Codec.JSON))
    pairs: list[tuple[str, str]] = []
    for name, each in plain.items():
        members = cast("list[Any]", each) if isinstance(each, list) and each else [cast("Any", each)]
        pairs += [(name, member if isinstance(member, str) else _encoded(member).decode()) for member in members]
    return urlencode(pairs)


def lines(items: Iterator[Any] | AsyncIterable[Any], function: str) -> Iterator[bytes]:
    """The body, from an ordinary iterator. Raises `InvalidArgument` for one that is to be awaited."""
    if not hasattr(items, "__next__"):
        message = f"{function} is called from code that blocks: give an ordinary iterator, not an asynchronous one"
        raise InvalidArgument(message, started=Started.NO)
    return (_encoded(value) + b"\n" for value in cast("Iterator[Any]", items))


async def async_lines(items: Iterator[Any] | AsyncIterable[Any]) -> AsyncIterator[bytes]:
    """The body, from either; an ordinary iterator runs in a thread of its own."""
    values = values_of(items)
    try:
        async for value in values:
            yield _encoded(value) + b"\n"
    finally:
        close = getattr(values, "close", None)
        if close is not None:
            close()


def _encoded(value: Any) -> bytes:
    try:
        return codec.encode(value, Codec.JSON)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidArgument(f"the input cannot be sent: {error}", started=Started.NO) from None
