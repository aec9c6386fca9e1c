"""Faults get the ids, the service and the form that their callers see."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from dragoman.core.call import Call, Trace
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, NotFound, Overloaded
from dragoman.core.target import Target
from dragoman.ingress.http.doors import Doors
from dragoman.ingress.http.head import Head
from dragoman.ingress.http.lane import HEAD_BYTES_MAX, HEADS_MAX, CallLane
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.listener import Naming
from dragoman.telemetry.trace import Tracer

from .site import Noted

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def lane(**options: Any) -> CallLane:
    return CallLane(
        Doors(NotFound),
        HttpOptions(**options),
        Tracer(lambda size: b"\x01" * size),
        SystemClock(),
        Naming("shop", "c0ffee00", count(1).__next__),
        Noted(),
    )


def call() -> Call:
    return Call(Target("fn.add", "fn", "add", 0, 5.0), b"", id=9)


def head(method: bytes = b"POST") -> Head:
    return Head(method, b"/v1/call/fn.add", keep_alive=True)


def document(response: bytes) -> dict[str, Any]:
    return json.loads(response.partition(b"\r\n\r\n")[2])


def test_a_refused_request_that_came_with_a_trace_is_answered_with_it() -> None:
    came = head()
    came.traceparent = PARENT
    problem = document(lane().problem(NotFound("none"), came, 5))
    assert (problem["trace_id"], problem["call_id"]) == (PARENT[3:35].decode(), "c0ffee0000000005")
    came.traceparent = b"nonsense"
    assert document(lane().problem(NotFound("none"), came, 5))["trace_id"] == ""


def test_a_call_that_was_given_a_trace_is_answered_with_it() -> None:
    traced = call()
    traced.trace = Trace(b"\xaa" * 16, b"\xbb" * 8)
    assert document(lane().problem(Fault.unknown("x"), head(), traced))["trace_id"] == "aa" * 16


def test_an_overload_reads_the_same_written_once_or_each_time() -> None:
    served, many = lane(), call()
    many.trace = Trace(b"\xaa" * 16, b"\xbb" * 8)
    fault = Overloaded("full", function="fn.add", retry_after_s=2.5)
    slow, _, plain = served.problem(fault, head(), many).partition(b"\r\n\r\n")
    for close in (False, True):
        quick, _, written = served.overloaded(
            fault, head(), many, served.now(), b"connection: close\r\n" if close else b""
        ).partition(b"\r\n\r\n")
        assert quick.split(b"\r\n") == slow.split(b"\r\n") + [b"connection: close"] * close
        assert json.loads(written) | {"timestamp": ""} == json.loads(plain) | {"timestamp": ""}


def test_an_answer_to_head_has_no_body() -> None:
    response = lane().problem(NotFound("none"), head(b"HEAD"), 1)
    assert response.endswith(b"\r\n\r\n")
    assert b"content-length: " in response


def test_tracebacks_are_shown_only_in_debug() -> None:
    fault = Fault.unknown("x")
    fault.traceback = "Traceback …"
    assert "traceback" not in document(lane().problem(fault, head(), call()))
    assert document(lane(debug=True).problem(fault, head(), call()))["traceback"] == "Traceback …"


def test_changed_functions_forget_the_heads_that_led_to_the_old_ones() -> None:
    served = lane()
    served.remember(b"x", head())
    served.doors.replace({})
    assert not served.heads


def test_only_so_many_heads_are_remembered_and_no_long_ones() -> None:
    served = lane()
    for number in range(3 * HEADS_MAX):
        served.remember(b"%d" % number, head())
        assert len(served.heads) <= HEADS_MAX
    assert b"%d" % (3 * HEADS_MAX - 1) in served.heads
    served.remember(b"x" * (HEAD_BYTES_MAX + 1), head())
    assert b"x" * (HEAD_BYTES_MAX + 1) not in served.heads
