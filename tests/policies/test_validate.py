import json
import math
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from dragoman.contract.codec import decode
from dragoman.core.call import Call, Codec, Reply
from dragoman.core.draft import whole
from dragoman.core.fault import InvalidArgument, Started
from dragoman.policies.validate import validate
from tests.policies.calls import make_call

SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "min": {"type": "integer", "minimum": 0, "default": 1}},
    "required": ["path"],
    "additionalProperties": False,
}


async def echo(call: Call) -> Reply:
    return Reply(whole(call.body), call.codec)


async def test_what_keeps_to_the_schema_goes_on_with_its_defaults() -> None:
    reply = await validate(SCHEMA)(echo)(make_call(b'{"path": "a"}'))
    assert json.loads(bytes(reply.body)) == {"path": "a", "min": 1}


async def test_any_codec_goes_on_as_json_where_that_is_wanted() -> None:
    reply = await validate(SCHEMA, as_json=True)(echo)(make_call(b"\x82\xa4path\xa1a\xa3min\x05", Codec.MSGPACK))
    assert reply.codec is Codec.JSON
    assert json.loads(bytes(reply.body)) == {"path": "a", "min": 5}


@pytest.mark.parametrize(
    ("body", "codec"),
    [(b'{ "min": 2, "path":"a" }', Codec.JSON), (b"\x82\xa4path\xa1a\xa3min\x05", Codec.MSGPACK)],
)
async def test_a_body_that_lacks_no_default_goes_on_as_it_came(body: bytes, codec: Codec) -> None:
    call = make_call(body, codec)
    reply = await validate(SCHEMA)(echo)(call)
    assert reply.body is body
    assert reply.codec is codec


async def test_a_default_is_filled_in_in_the_codec_of_the_body() -> None:
    reply = await validate(SCHEMA)(echo)(make_call(b"\x81\xa4path\xa1a", Codec.MSGPACK))
    assert reply.codec is Codec.MSGPACK
    assert decode(reply.body, Codec.MSGPACK) == {"path": "a", "min": 1}


NUMBERS = {"type": "object", "properties": {"x": {"type": "number", "minimum": 0}}}


async def test_an_infinity_passes_where_the_codec_can_say_it() -> None:
    body = msgspec.msgpack.encode({"x": math.inf})
    assert (await validate(NUMBERS)(echo)(make_call(body, Codec.MSGPACK))).body is body
    for schema, as_json, number in ((NUMBERS, False, math.nan), (NUMBERS, True, math.inf), (SCHEMA, False, math.inf)):
        given = msgspec.msgpack.encode({"x": number})
        with pytest.raises(InvalidArgument) as refused:
            await validate(schema, as_json=as_json)(echo)(make_call(given, Codec.MSGPACK))
        assert "/x" in {each.path for each in refused.value.errors}


async def test_an_arrow_stream_is_for_the_guest_to_read() -> None:
    reply = await validate(SCHEMA)(echo)(make_call(b"\xff\xff", Codec.ARROW))
    assert (reply.body, reply.codec) == (b"\xff\xff", Codec.ARROW)


async def test_input_is_an_object_even_where_the_schema_does_not_say_so() -> None:
    with pytest.raises(InvalidArgument, match="must be an object"):
        await validate({})(echo)(make_call(b"[]"))


@pytest.mark.parametrize(
    ("body", "paths"),
    [(b'{"path": 1, "min": -1}', {"/path", "/min"}), (b"{}", {"/path"}), (b"[]", {""}), (b'{"path": ', {""})],
)
async def test_every_breach_is_named_before_anything_runs(body: bytes, paths: set[str]) -> None:
    async def never(call: Call) -> Reply:
        raise AssertionError("it ran")

    with pytest.raises(InvalidArgument) as fault:
        await validate(SCHEMA)(never)(make_call(body))
    assert fault.value.started is Started.NO
    assert {breach.path for breach in fault.value.errors} == paths


async def test_no_body_is_an_empty_object() -> None:
    reply = await validate({"type": "object", "properties": {"n": {"default": 3}}})(echo)(make_call(b""))
    assert json.loads(bytes(reply.body)) == {"n": 3}


async def test_raw_bytes_pass_where_the_function_takes_them() -> None:
    reply = await validate(SCHEMA)(echo)(make_call(b"\xff\x00", Codec.BYTES, raw_input=True))
    assert (reply.body, reply.codec) == (b"\xff\x00", Codec.BYTES)


STREAMING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}, "default": []},
        "scale": {"type": "integer", "default": 1},
    },
    "required": ["rows"],
    "$defs": {"Row": {"type": "array", "items": {"type": "integer"}}},
}


class Items:
    """A streamed input of these encoded values."""

    def __init__(self, *bodies: bytes, codec: Codec = Codec.JSON) -> None:
        self._bodies = bodies
        self._codec = codec

    async def __aiter__(self) -> AsyncIterator[tuple[Codec, bytes]]:
        for body in self._bodies:
            yield self._codec, body


async def drain(call: Call) -> Reply:
    """Answer with the body and all items, as JSON text."""
    assert call.input is not None
    items = [body async for _, body in call.input]
    return Reply(bytes(whole(call.body)) + b"|" + b"|".join(items))


def streamed(body: bytes, *items: bytes, codec: Codec = Codec.JSON) -> Call:
    call = make_call(body)
    call.input = Items(*items, codec=codec)
    return call


async def test_streamed_items_are_checked_as_they_pass_and_the_rest_of_the_input_at_once() -> None:
    layer = validate(STREAMING, input_stream="rows")
    reply = await layer(drain)(streamed(b'{"scale": 2}', b"[1]", b"[]"))
    assert reply.body == b'{"scale": 2}|[1]|[]'
    with pytest.raises(InvalidArgument) as fault:
        await layer(drain)(streamed(b"{}", b"[1]", b'[2, "x"]', b"[3]"))
    assert [breach.path for breach in fault.value.errors] == ["/rows/1/1"]
    with pytest.raises(InvalidArgument) as fault:
        await layer(drain)(streamed(b"{}", b"[1"))
    assert [breach.path for breach in fault.value.errors] == ["/rows/0"]
    with pytest.raises(InvalidArgument) as fault:
        await layer(drain)(streamed(b'{"scale": "x"}'))
    assert [breach.path for breach in fault.value.errors] == ["/scale"]


async def test_what_comes_as_a_stream_is_not_in_the_body_too_nor_filled_in() -> None:
    layer = validate(STREAMING, input_stream="rows")
    reply = await layer(drain)(streamed(b"{}", b"[1]"))
    assert reply.body == b'{"scale":1}|[1]'
    with pytest.raises(InvalidArgument, match="cannot be in the body too"):
        await layer(drain)(streamed(b'{"rows": [[1]]}', b"[1]"))
    whole = await layer(echo)(make_call(b'{"rows": [[1]], "scale": 1}'))
    assert whole.body == b'{"rows": [[1]], "scale": 1}'


async def test_items_that_are_arrow_streams_are_for_the_guest_to_read() -> None:
    layer = validate(STREAMING, input_stream="rows")
    reply = await layer(drain)(streamed(b'{"scale": 1}', b"\xff\xff", codec=Codec.ARROW))
    assert bytes(reply.body).endswith(b"|\xff\xff")


FLAT = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number", "default": 2}}}


@pytest.mark.parametrize(
    ("body", "codec"), [(b'{"b": 1, "a": 2}', Codec.JSON), (b"\x82\xa1a\x01\xa1b\x02", Codec.MSGPACK)]
)
async def test_a_flat_body_that_gives_everything_goes_on_untouched(body: bytes, codec: Codec) -> None:
    call = make_call(body, codec)
    reply = await validate(FLAT)(echo)(call)
    assert (reply.body, reply.codec) == (body, codec)
    assert call.body is body


async def test_a_flat_body_still_gets_its_defaults_and_its_breaches() -> None:
    reply = await validate(FLAT)(echo)(make_call(b'{"a": 1}'))
    assert json.loads(bytes(reply.body)) == {"a": 1, "b": 2}
    with pytest.raises(InvalidArgument) as caught:
        await validate(FLAT)(echo)(make_call(b'{"a": "x", "b": true}'))
    assert {breach.path for breach in caught.value.errors} == {"/a", "/b"}
    with pytest.raises(InvalidArgument, match="twice"):
        await validate(FLAT)(echo)(make_call(b'{"a": 1, "a": 2}'))
