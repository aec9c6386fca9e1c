"""The input stream of a function: which parameter it is, and how its items are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from dragoman.contract.codec import encode
from dragoman.contract.function import ContractError
from dragoman.contract.manifest import from_wire, to_wire
from dragoman.contract.signature import Binding, bind
from dragoman.core.call import Codec
from dragoman.core.fault import InvalidArgument, Started


@dataclass
class Point:
    """A record."""

    x: int


NONE: Iterator[int] = iter(())


def total(points: Iterator[Point], *, scale: int = 1) -> int:
    """Add up."""
    return scale * sum(point.x for point in points)


def listed(values: Iterable[int], more: Iterable[int] = ()) -> list[int]:
    """Two arrays, no stream."""
    return [*values, *more]


async def awaited(values: AsyncIterator[int]) -> list[int]:
    """Gather."""
    return [value async for value in values]


def items(binding: Binding, *bodies: bytes, codec: Codec = Codec.JSON) -> Generator[Any]:
    """What the intake makes of items."""
    assert binding.intake is not None
    for position, body in enumerate(bodies):
        yield binding.intake.read(body, codec, position)


def test_the_contract_has_an_array_and_says_that_it_may_stream() -> None:
    contract = bind(total).contract
    assert contract.input["properties"]["points"]["type"] == "array"
    assert contract.input["required"] == ["points"]
    assert contract.input_stream == "points"
    assert from_wire(to_wire([contract])) == (contract,)


def test_a_call_with_the_whole_array_iterates_over_it() -> None:
    assert bind(total).invoke(b'{"points": [{"x": 1}, {"x": 2}], "scale": 3}', Codec.JSON) == 9


@pytest.mark.parametrize("codec", [Codec.JSON, Codec.MSGPACK])
def test_a_call_with_a_stream_decodes_the_rest_and_each_item(codec: Codec) -> None:
    binding = bind(total)
    assert binding.intake is not None
    given = items(binding, encode({"x": 4}, codec), encode({"x": 5}, codec), codec=codec)
    assert binding.intake.invoke(encode({"scale": 2}, codec), codec, None, given) == 18


@pytest.mark.parametrize("codec", [Codec.JSON, Codec.MSGPACK])
def test_an_item_that_breaks_the_contract_is_named_by_its_place(codec: Codec) -> None:
    given = items(bind(total), encode({"x": 1}, codec), encode({"x": "1"}, codec), codec=codec)
    assert next(given) == Point(1)
    with pytest.raises(InvalidArgument, match="/points/1/x must be an integer") as caught:
        next(given)
    assert [breach.path for breach in caught.value.errors] == ["/points/1/x"]
    assert caught.value.started is Started.YES


@pytest.mark.parametrize("body", [b"", b"{", b'{"x": 1}, {"x": 2}', b'{"x": 1}], "points": [{"x": 2}', b"1 2"])
def test_an_item_is_exactly_one_value(body: bytes) -> None:
    with pytest.raises(InvalidArgument) as caught:
        list(items(bind(total), body))
    assert caught.value.errors[0].path.startswith("/points/0")


def test_the_rest_must_not_have_the_stream_s_property() -> None:
    binding = bind(total)
    assert binding.intake is not None
    with pytest.raises(InvalidArgument) as caught:
        binding.intake.invoke(b'{"points": []}', Codec.JSON, None, iter(()))
    assert caught.value.errors[0].path == "/points"
    assert caught.value.started is Started.NO


def test_the_schema_s_own_rules_hold_for_items() -> None:
    def small(values: Iterator[Annotated[str, "short"]], name: str = "") -> int:
        return len([*values, name])

    binding = bind(small)
    assert list(items(binding, b'"a"')) == ["a"]
    with pytest.raises(InvalidArgument):
        list(items(binding, b"1"))


def test_raw_items_are_for_bytes_alone() -> None:
    def sizes(parts: Iterator[bytes]) -> int:
        return sum(map(len, parts))

    assert list(items(bind(sizes), b"\x00\xff", codec=Codec.BYTES)) == [b"\x00\xff"]
    with pytest.raises(InvalidArgument, match="cannot be read as BYTES"):
        list(items(bind(total), b"\x00", codec=Codec.BYTES))


def test_one_iterable_is_a_stream_and_two_are_arrays() -> None:
    def one(values: Iterable[int]) -> list[int]:
        return [*values, *values]

    assert bind(one).contract.input_stream == "values"
    assert bind(one).invoke(b'{"values": [1]}', Codec.JSON) == [1, 1]
    assert bind(listed).contract.input_stream == ""
    assert bind(listed).invoke(b'{"values": [1], "more": [2]}', Codec.JSON) == [1, 2]


def test_an_asynchronous_function_takes_an_asynchronous_iterator() -> None:
    assert asyncio.run(bind(awaited).invoke(b'{"values": [1, 2]}', Codec.JSON)) == [1, 2]


def test_a_default_may_stand_for_the_stream() -> None:
    def optional(values: Iterator[int] = NONE, other: int = 0) -> int:
        return sum(values) + other

    assert bind(optional).invoke(b'{"other": 2}', Codec.JSON) == 2


async def wrong_async(values: Iterator[int]) -> None: ...


def wrong_sync(values: AsyncIterable[int]) -> None: ...


def two(values: Iterator[int], others: Iterator[int]) -> None: ...


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (wrong_async, "takes its items by AsyncIterator, not by Iterator"),
        (wrong_sync, "takes its items by Iterator, not by AsyncIterable"),
        (two, "`values` and `others` are both streams"),
    ],
)
def test_a_stream_that_cannot_be_is_refused_by_name(function: Any, why: str) -> None:
    with pytest.raises(ContractError, match=why):
        bind(function)


def test_a_manifest_cannot_stream_what_is_not_there() -> None:
    with pytest.raises(ContractError, match="no property 'b' to stream"):
        from_wire([{"name": "f", "input": {"properties": {"a": {}}}, "input_stream": "b"}])
