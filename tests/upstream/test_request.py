from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.contract.function import Contract
from dragoman.core.call import Call, Codec
from dragoman.core.fault import InvalidArgument
from dragoman.core.target import Target
from dragoman.upstream.operation import Body, Operation, Parameter
from dragoman.upstream.request import concrete, outgoing


def call(value: Any, codec: Codec = Codec.JSON) -> Call:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Call(Target("it.f", "it", "f", 0, 1.0), body, codec)


def operation(body: Body | None = None, *parameters: Parameter, url: str = "/a") -> Operation:
    return Operation(Contract("f"), "POST", url, parameters, body)


def test_an_input_that_is_the_body_goes_as_it_is() -> None:
    sent = outgoing(operation(Body("application/json", "json")), call(b'{"n":  1.50}'))
    assert (sent.body, sent.headers["content-type"]) == (b'{"n":  1.50}', "application/json")


@pytest.mark.parametrize(
    ("body", "value", "content", "media"),
    [
        (
            Body("application/x-www-form-urlencoded", "form"),
            {"a": [1, 2], "b": "x y&", "c": {"d": 1}},
            b"a=1&a=2&b=x+y%26&c=%7B%22d%22%3A1%7D",
            "application/x-www-form-urlencoded",
        ),
        (Body("text/csv", "text", "body"), {"body": "a,b"}, b"a,b", "text/csv"),
        (Body("image/*", "bytes", "body"), {"body": "AP8="}, b"\x00\xff", "text/plain"),
        (Body("application/merge-patch+json", "json", "body"), {"body": [1]}, b"[1]", "application/merge-patch+json"),
        (Body("*/*", "json", "body"), {"body": 2**70}, str(2**70).encode(), "application/json"),
        (Body("application/json", "json", "body"), {}, b"", None),
    ],
)
def test_bodies_are_written_in_their_kind(body: Body, value: Any, content: bytes, media: str | None) -> None:
    sent = outgoing(operation(body), call(value))
    assert (sent.body, sent.headers.get("content-type")) == (content, media)


def test_what_is_no_parameter_is_the_body() -> None:
    shape = operation(Body("application/json", "json"), Parameter("id", "id", "path"), url="/a/{id}")
    sent = outgoing(shape, call({"id": 7, "n": 1}))
    assert (sent.url, sent.body) == ("/a/7", b'{"n":1}')
    assert outgoing(shape, call({"id": 7})).body == b""


def test_bytes_are_sent_as_bytes_where_a_service_takes_them() -> None:
    sent = outgoing(operation(Body("application/octet-stream", "bytes", "body")), call(b"\x00", Codec.BYTES))
    assert (sent.body, sent.headers["content-type"]) == (b"\x00", "application/octet-stream")


@pytest.mark.parametrize(
    ("shape", "asked", "words"),
    [
        (operation(Body("application/json", "json")), call(b"x", Codec.BYTES), "takes JSON"),
        (operation(Body("a/b", "bytes", "body")), call({"body": "=="}), "base64"),
        (operation(None, Parameter("q", "q", "query", "form")), call({"q": "x" * 70_000}), "65536"),
    ],
)
def test_what_cannot_be_sent_is_the_callers_fault(shape: Operation, asked: Call, words: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        outgoing(shape, asked)
    assert words in f"{raised.value.detail} {raised.value.errors}"


def test_a_range_of_media_types_is_no_media_type() -> None:
    assert concrete("image/*", "x/y") == "x/y"
    assert concrete("image/png", "x/y") == "image/png"
