import json

import pytest

from dragoman.core.call import Call, Codec, Reply
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
    return Reply(call.body, call.codec)


async def test_what_keeps_to_the_schema_goes_on_with_its_defaults() -> None:
    reply = await validate(SCHEMA)(echo)(make_call(b'{"path": "a"}'))
    assert json.loads(reply.body) == {"path": "a", "min": 1}


async def test_any_codec_goes_on_as_json() -> None:
    reply = await validate(SCHEMA)(echo)(make_call(b"\x82\xa4path\xa1a\xa3min\x05", Codec.MSGPACK))
    assert reply.codec is Codec.JSON
    assert json.loads(reply.body) == {"path": "a", "min": 5}


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
    assert json.loads(reply.body) == {"n": 3}


async def test_raw_bytes_pass_where_the_function_takes_them() -> None:
    reply = await validate(SCHEMA)(echo)(make_call(b"\xff\x00", Codec.BYTES, raw_input=True))
    assert (reply.body, reply.codec) == (b"\xff\x00", Codec.BYTES)
