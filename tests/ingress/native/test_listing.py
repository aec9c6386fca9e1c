"""The host itself answers which functions there are."""

from __future__ import annotations

import json

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import Code, Started
from dragoman.wire.frame import Kind

from .booth import Caller


@pytest.mark.parametrize(
    ("body", "codec"), [(b"{}", Codec.JSON), (b"\x80", Codec.MSGPACK), (b"", Codec.NONE | Codec.JSON << 4)]
)
async def test_all_functions_are_listed(caller: Caller, body: bytes, codec: int) -> None:
    end = await caller.call("dragoman.functions", body, codec=codec)
    assert (end.kind, end.codec, json.loads(end.body)["service"]) == (Kind.END, Codec.JSON, "booth")


async def test_one_function_is_listed_by_its_name(caller: Caller) -> None:
    assert (await caller.call("dragoman.function", b'{"name":"fn.add"}')).body == b'{"name":"fn.add"}'
    assert (await caller.fault("dragoman.function", b'{"name":"fn.nothing"}')).code is Code.NOT_FOUND


@pytest.mark.parametrize("body", [b"{}", b'{"name":1}', b"[]", b"{"])
async def test_an_input_that_names_none_is_refused(caller: Caller, body: bytes) -> None:
    fault = await caller.fault("dragoman.function", body)
    assert (fault.code, fault.started) == (Code.INVALID_ARGUMENT, Started.NO)
