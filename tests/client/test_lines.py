"""Input streams as request bodies, and the rest of an input as a query."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dragoman.client.lines import async_lines, lines, query_of
from dragoman.contract.query import parse
from dragoman.core.fault import InvalidArgument


def test_a_query_says_what_the_host_reads_back() -> None:
    value = {
        "n": 3,
        "x": 0.5,
        "s": "a b&c",
        "flag": True,
        "none": None,
        "many": [1, 2],
        "deep": {"a": [1]},
        "empty": [],
    }
    schema = {"properties": {"empty": {"type": "array"}, "many": {"type": "array"}}}
    assert parse(query_of(value), schema, "f") == value
    assert query_of({}) == ""


def test_each_item_is_a_line() -> None:
    assert list(lines(iter([1, "a\nb", None]), "f")) == [b"1\n", b'"a\\nb"\n', b"null\n"]


async def test_either_iterator_may_be_awaited() -> None:
    async def made() -> AsyncIterator[int]:
        yield 1
        yield 2

    assert [line async for line in async_lines(made())] == [b"1\n", b"2\n"]
    assert [line async for line in async_lines(iter([1, 2]))] == [b"1\n", b"2\n"]


def test_what_cannot_be_sent_is_refused() -> None:
    async def made() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(InvalidArgument, match="ordinary iterator"):
        lines(made(), "f")
    with pytest.raises(InvalidArgument, match="cannot be sent"):
        list(lines(iter([object()]), "f"))
