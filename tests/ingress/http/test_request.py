"""A request becomes a call with everything that its head and its body ask for."""

from __future__ import annotations

import json

import pytest

from dragoman.core.call import Call, Codec, Reply, Trace
from dragoman.core.draft import whole
from dragoman.core.fault import NotFound
from dragoman.core.target import Target
from dragoman.ingress.http.doors import Door, Doors
from dragoman.ingress.http.head import Head, Refusal
from dragoman.ingress.http.request import Request
from dragoman.telemetry.metrics import Meter
from dragoman.telemetry.trace import Tracer

SCHEMA = {"properties": {"a": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}}}


async def nothing(call: Call) -> Reply:
    return Reply(b"")


def request(method: bytes, path: bytes, *headers: tuple[bytes, bytes], body: bytes = b"") -> Request:
    doors = Doors(NotFound)
    target = Target("fn.add", "fn", "add", 0, 5.0, idempotent=True)
    doors.replace({"fn.add": Door(target, nothing, Meter(), SCHEMA)})
    head = Head(method, path, keep_alive=True)
    head.read(list(headers), doors, 1000)
    return Request(head, body, 100.0)


def tracer(*, sampling: bool = False) -> Tracer:
    return Tracer(lambda size: b"\x01" * size, (lambda: True) if sampling else None)


def test_a_post_is_passed_on_as_it_came() -> None:
    headers = (b"content-type", b"application/msgpack"), (b"accept", b"application/json"), (b"dragoman-timeout", b"1s")
    call = request(b"POST", b"/v1/call/fn.add?ignored=1", *headers, body=b"\x80").to_call(7, tracer())
    assert (call.id, call.target.name, call.body, call.codec, call.reply_codec) == (
        7,
        "fn.add",
        b"\x80",
        Codec.MSGPACK,
        Codec.JSON,
    )
    assert (call.arrived_at, call.deadline) == (100.0, 101.0)
    assert call.trace is None


def test_a_get_has_its_input_in_the_query() -> None:
    call = request(b"GET", b"/v1/call/fn.add?a=5&tags=x&tags=%C3%A9").to_call(1, tracer())
    assert (json.loads(bytes(whole(call.body))), call.codec) == ({"a": 5, "tags": ["x", "é"]}, Codec.JSON)


@pytest.mark.parametrize("query", [b"a=x", b"a=1&a=2", b"a=%ff", b"&".join([b"a=1"] * 1500)])
def test_a_query_that_cannot_be_read_is_refused(query: bytes) -> None:
    with pytest.raises(Refusal):
        request(b"GET", b"/v1/call/fn.add?" + query).to_call(1, tracer())


def test_what_its_head_was_refused_for_is_raised() -> None:
    with pytest.raises(Refusal):
        request(b"DELETE", b"/v1/call/fn.add").to_call(1, tracer())


def test_a_caller_without_a_trace_gets_one_where_the_host_samples() -> None:
    call = request(b"POST", b"/v1/call/fn.add").to_call(1, tracer(sampling=True))
    assert isinstance(call.trace, Trace)
