"""Calls over HTTP to real workers: what goes in, what comes out, and what travels with it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

from tests.integration.web import Web, serving

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MSGPACK = "application/msgpack"
OCTETS = "application/octet-stream"


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as served:
        yield served


def test_a_call_answers_with_the_bare_result(web: Web) -> None:
    answer = web.call("add", a=1, b=2)
    assert (answer.status, answer.body) == (200, b"3.0")


def test_a_call_may_come_and_be_answered_in_messagepack(web: Web) -> None:
    body = msgspec.msgpack.encode({"a": 1, "b": 2})
    answer = web.post("add", body, content_type=MSGPACK)
    assert (answer.headers["content-type"], msgspec.msgpack.decode(answer.body)) == (MSGPACK, 3.0)
    answer = web.post("add", body, content_type=MSGPACK, accept="application/json")
    assert answer.body == b"3.0"
    answer = web.post("add", b'{"a":1,"b":2}', accept=MSGPACK)
    assert msgspec.msgpack.decode(answer.body) == 3.0


def test_bytes_go_in_and_come_out_raw(web: Web) -> None:
    body = bytes(range(256)) * 5000
    answer = web.post("echo", body, content_type=OCTETS, accept=OCTETS)
    assert (answer.headers["content-type"], answer.body) == (OCTETS, body)


def test_an_empty_body_of_bytes_is_empty(web: Web) -> None:
    assert web.post("echo", b"", content_type=OCTETS, accept=OCTETS).body == b""


def test_an_idempotent_function_may_be_asked_with_get(web: Web) -> None:
    assert web.ask("GET", "/v1/call/web.add?a=1.5&b=2").body == b"3.5"
    answer = web.ask("GET", "/v1/call/web.search?text=a%20b&exact=true&colors=red&colors=blue&after=2026-01-02")
    assert answer.json == {
        "text": "a b",
        "limit": 10,
        "exact": True,
        "colors": ["red", "blue"],
        "after": "2026-01-02",
    }
    assert web.ask("GET", "/v1/call/web.text?value=x").status == 405


def test_a_query_behind_a_post_says_nothing(web: Web) -> None:
    assert web.ask("POST", "/v1/call/web.add?a=7", b'{"a":1,"b":2}').body == b"3.0"


def test_integers_of_64_bits_survive(web: Web) -> None:
    for number in (2**63 - 1, -(2**63), 2**53 + 1):
        assert web.call("exactly", n=number).json == number


def test_a_breach_is_named_by_its_path(web: Web) -> None:
    answer = web.call("add", a="x", c=1)
    assert answer.status == 400
    assert {error["path"] for error in answer.json["errors"]} >= {"/a"}
    assert answer.json["started"] == "no"


def test_a_failure_says_what_the_function_raised(web: Web) -> None:
    problem = web.call("boom").json
    assert (problem["status"], problem["code"], problem["started"]) == (500, "UNKNOWN", "yes")
    assert problem["detail"] == "ValueError: no"
    assert problem["function"] == "web.boom"
    assert "traceback" not in problem


def test_a_fault_that_a_function_raises_keeps_its_code(web: Web) -> None:
    problem = web.call("picky", reason="not now").json
    assert (problem["status"], problem["code"], problem["detail"]) == (400, "FAILED_PRECONDITION", "not now")


def test_the_trace_goes_on_into_the_function(web: Web) -> None:
    answer = web.post("traced", b"{}", traceparent=TRACEPARENT, tracestate="vendor=1")
    trace = answer.json["trace"].split("-")
    assert (trace[0], trace[1], trace[3]) == ("00", TRACEPARENT[3:35], "01")
    assert trace[2] != TRACEPARENT[36:52], "the call has a span of its own"
    assert answer.json["call_id"] == answer.headers["dragoman-call-id"]
    assert web.post("traced", b"{}").json["trace"] == ""


def test_a_faults_trace_is_that_of_its_caller(web: Web) -> None:
    assert web.post("boom", b"{}", traceparent=TRACEPARENT).json["trace_id"] == TRACEPARENT[3:35]


def test_a_caller_may_shorten_the_timeout(web: Web) -> None:
    answer = web.post("nap", b'{"seconds":30}', dragoman_timeout="100ms")
    problem = answer.json
    assert (answer.status, problem["code"], problem["started"]) == (504, "DEADLINE_EXCEEDED", "yes")
    assert web.call("add", a=1, b=2).status == 200


def test_the_timings_add_up(web: Web) -> None:
    answer = web.call("nap", seconds=0.05)
    timings = {
        part.split(";dur=")[0].strip(): float(part.split("=")[1]) for part in answer.headers["server-timing"].split(",")
    }
    assert timings["run"] >= 50
    assert timings["total"] >= timings["queue"] + timings["run"] - 1


def test_call_ids_are_unique(web: Web) -> None:
    assert len({web.call("add", a=1, b=2).headers["dragoman-call-id"] for _ in range(50)}) == 50


def test_a_rich_record_comes_back_as_it_went(web: Web) -> None:
    order = {
        "id": "6f1f1b5e-5a5b-4c53-9d5e-1f2d3c4b5a69",
        "placed_at": "2026-01-02T03:04:05Z",
        "lines": [{"price": "1.10"}],
        "address": {"street": "A", "number": 2, "country": "FR"},
        "color": "red",
        "tags": ["x"],
        "note": None,
    }
    answer = web.post("book", json.dumps(order).encode())
    assert answer.status == 200, answer.body
    assert answer.json["address"] == order["address"]
