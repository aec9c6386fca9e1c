"""Calls are handed on, their replies written where they arrive, and their ends noticed, whoever causes them."""

from __future__ import annotations

import json
import threading

import pytest

from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Code, Fault, Started
from dragoman.ingress.http.answering import PIPELINE_MAX

from .site import PREFIX, Site, post

BODY = b'{"a":1,"b":2}'
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_reply_has_the_bare_result_and_says_how_long_it_took(site: Site) -> None:
    answer = site.call("fn.add", BODY)
    assert (answer.status, answer.body) == (200, b"3")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["dragoman-call-id"] == f"{PREFIX}00000001"
    assert answer.headers["server-timing"].startswith("queue;dur=0.001, run;dur=0.002, total;dur=")
    assert "date" in answer.headers


def test_every_call_has_an_id_of_its_own(site: Site) -> None:
    ids = {site.call(function, BODY).headers["dragoman-call-id"] for function in ("fn.add", "fn.boom", "fn.nope") * 5}
    assert len(ids) == 15


def test_a_fault_is_a_problem_document_with_every_member(site: Site) -> None:
    answer = site.call("fn.boom", traceparent=TRACEPARENT)
    assert answer.status == 500
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert problem.pop("timestamp").endswith("Z")
    assert problem.pop("call_id") == answer.headers["dragoman-call-id"]
    assert problem == {
        "type": "about:blank",
        "title": "Unknown",
        "status": 500,
        "detail": "ValueError: no",
        "instance": "/v1/call/fn.boom",
        "code": "UNKNOWN",
        "function": "",
        "started": "yes",
        "retryable": False,
        "errors": [],
        "trace_id": TRACEPARENT[3:35],
        "service": "shop",
    }


def test_a_fault_is_told_with_the_ids_that_its_caller_was_given(site: Site) -> None:
    answer = site.call("fn.boom", traceparent=TRACEPARENT)
    (fault,) = site.noted.faults
    assert (fault.call_id, fault.trace_id, fault.service) == (answer.json["call_id"], TRACEPARENT[3:35], "shop")


def test_an_overloaded_function_says_so_the_same_way_every_time(site: Site) -> None:
    first, second = site.call("fn.overloaded", BODY), site.call("fn.overloaded", BODY, traceparent=TRACEPARENT)
    assert (first.status, first.headers["retry-after"]) == (429, "1")
    one, two = first.json, second.json
    assert one["detail"] == '100% full: {"queue": 1}'
    assert (one.pop("call_id"), two.pop("call_id")) == (
        first.headers["dragoman-call-id"],
        second.headers["dragoman-call-id"],
    )
    assert (one.pop("trace_id"), two.pop("trace_id")) == ("", TRACEPARENT[3:35])
    assert one.pop("timestamp") <= two.pop("timestamp")
    assert one == two
    assert (one["retryable"], one["started"], one["function"]) == (True, "no", "fn.overloaded")


def test_a_trace_goes_on_into_the_call(site: Site) -> None:
    site.call("fn.add", BODY, traceparent=TRACEPARENT, tracestate="vendor=1")
    trace = site.calls[-1].trace
    assert trace is not None
    assert (trace.trace_id.hex(), trace.span_id, trace.flags, trace.state) == (
        TRACEPARENT[3:35],
        b"\x07" * 8,
        1,
        "vendor=1",
    )


@pytest.mark.parametrize("value", ["-", "00-0-0-0", "ff" + TRACEPARENT[2:], TRACEPARENT + "-x", "é"])
def test_a_trace_that_is_none_is_as_good_as_no_trace(site: Site, value: str) -> None:
    answer = site.call("fn.add", BODY, traceparent=value)
    assert answer.status == 200
    assert site.calls[-1].trace is None


def test_an_error_inside_is_a_fault_of_the_host(site: Site) -> None:
    answer = site.call("fn.bug")
    assert (answer.status, answer.json["code"]) == (500, "INTERNAL")
    assert site.call("fn.add", BODY).status == 200
    assert site.in_flight == 0


def test_a_service_that_raises_where_it_is_called_does_not_take_the_connection_down(site: Site) -> None:
    def broken(call: object) -> None:
        raise RuntimeError("broken")

    site.doors.by_path[b"/v1/call/fn.add"].service = broken  # pyright: ignore[reportAttributeAccessIssue] - not a service: that is the point
    with site.connect() as wire:
        for _ in range(2):
            wire.post("fn.add", BODY)
            assert wire.response().json["code"] == "INTERNAL"
    assert site.in_flight == 0


def test_a_client_that_goes_away_cancels_its_call(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.held")
        site.held.wait()
        assert site.in_flight == 1
    assert site.held.cancelled.wait(10)
    assert site.settled(lambda: site.in_flight == 0)
    assert [fault.code for fault in site.noted.faults] == [Code.CANCELLED]


def test_a_client_that_closes_its_half_is_taken_to_be_gone(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.held")
        site.held.wait()
        wire.sock.shutdown(1)
        assert site.held.cancelled.wait(10)
        assert wire.at_end()


def test_calls_behind_the_one_whose_client_went_away_never_begin(site: Site) -> None:
    with site.connect() as wire:
        wire.send(post("fn.held") + post("fn.add", BODY) * 3)
        site.held.wait()
    assert site.held.cancelled.wait(10)
    assert site.settled(lambda: site.noted.counts.connections == 0)
    assert len(site.calls) == 1


def test_an_answer_for_a_client_that_has_gone_is_dropped(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.held")
        site.held.wait()
        pending = site.held.pending[0]
        pending.on_cancel = lambda: None
    assert site.settled(lambda: site.noted.counts.connections == 0)
    site.do(lambda: pending.resolve(Reply(b"1")))
    assert site.in_flight == 0


def test_a_connection_with_a_full_line_is_not_read_until_there_is_room(site: Site) -> None:
    with site.connect() as wire:
        wire.send(post("fn.held") * (PIPELINE_MAX + 1))
        site.held.wait()
        assert site.settled(lambda: any(each.flow.read_paused for each in site.server.connections))
        wire.send(post("fn.add", BODY))
        for _ in range(PIPELINE_MAX + 1):
            site.answer(b"0")
            assert wire.response().body == b"0"
            site.held.arrived.acquire(timeout=0.2)
        assert wire.response().body == b"3"


def test_a_client_that_reads_nothing_gets_no_more_calls_served(site: Site) -> None:
    body = b"x" * 1_000_000
    data = post("fn.echo", body, b"Content-Type: application/octet-stream")
    with site.connect() as wire:
        sender = threading.Thread(target=lambda: [wire.send(data) for _ in range(40)])
        sender.start()
        assert site.settled(lambda: bool(site.server.connections))
        (connection,) = site.server.connections
        assert site.settled(lambda: connection.flow.read_paused)
        assert len(site.calls) < 20
        assert site.lane.held_bytes < 5_000_000
        for _ in range(40):
            assert wire.response().body == body
        sender.join(10)
    assert site.settled(lambda: site.lane.held_bytes == 0)


def test_a_reply_in_another_codec_says_which(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.held")
        site.held.wait()
        pending = site.held.pending.pop()
        site.do(lambda: pending.resolve(Reply(b"\x01", Codec.MSGPACK)))
        assert wire.response().headers["content-type"] == "application/msgpack"


def test_a_single_reply_may_be_asked_for_as_a_stream_of_one(site: Site) -> None:
    assert site.call("fn.add", BODY, accept="application/jsonl").body == b"3\n"
    assert site.call("fn.add", BODY, accept="text/event-stream").body == b"data: 3\n\nevent: end\ndata:\n\n"


def test_a_large_reply_is_whole(site: Site) -> None:
    body = bytes(range(256)) * 20_000
    answer = site.ask("POST", "/v1/call/fn.echo", body, content_type="application/octet-stream")
    assert answer.body == body
    assert site.settled(lambda: site.lane.held_bytes == 0)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "HEAD"])
def test_a_wrong_method_is_told_the_right_ones(site: Site, method: str) -> None:
    answer = site.ask(method, "/v1/call/fn.add")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST, OPTIONS")
    assert bool(answer.body) == (method != "HEAD")
    assert site.ask(method, "/v1/call/fn.echo").headers["allow"] == "POST, OPTIONS"


def test_an_answer_to_head_leaves_its_connection_in_step(site: Site) -> None:
    with site.connect() as wire:
        wire.send(b"HEAD /v1/call/fn.add HTTP/1.1\r\nHost: localhost\r\n\r\n" + post("fn.add", BODY))
        assert wire.head()[0] == 405
        assert wire.response().body == b"3"


def test_options_names_the_methods(site: Site) -> None:
    answer = site.ask("OPTIONS", "/v1/call/fn.add")
    assert (answer.status, answer.headers["allow"], answer.body) == (204, "GET, POST, OPTIONS", b"")
    with site.connect() as wire:
        wire.send(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.head()[0] == 204
    assert site.noted.counts.refusals == {}


def test_a_long_path_is_not_repeated_whole(site: Site) -> None:
    answer = site.ask("POST", "/v1/call/" + "a" * 20_000)
    assert answer.status == 414
    assert len(answer.body) < 1000


def test_an_idempotent_function_may_be_asked_with_get(site: Site) -> None:
    assert site.ask("GET", "/v1/call/fn.add?a=1&b=2").body == b"3"
    answer = site.ask("GET", "/v1/call/fn.add?a=x&b=2")
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "/a")
    assert answer.json["function"] == "fn.add"
    assert answer.json["detail"].startswith("the input of fn.add breaks its contract: /a ")


# Stopping


def test_a_draining_server_closes_idle_connections_at_once(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.add", BODY)
        wire.response()
        assert site.drain().result(10)
        assert wire.at_end()


def test_a_draining_server_lets_calls_finish_and_begins_no_others(site: Site) -> None:
    with site.connect() as wire, site.connect() as half_sent:
        wire.post("fn.held")
        site.held.wait()
        data = post("fn.add", BODY)
        half_sent.send(data[:-1])
        assert site.settled(lambda: any(each.phase.name == "BODY" for each in site.server.connections))
        drained = site.drain()
        assert site.settled(lambda: site.lane.draining)
        for answer in (site.call("fn.add", BODY), (half_sent.send(data[-1:]), half_sent.response())[1]):
            problem = answer.json
            assert (answer.status, problem["code"], problem["started"]) == (503, "UNAVAILABLE", "no")
            assert (answer.headers["connection"], answer.headers["retry-after"]) == ("close", "1")
        assert half_sent.at_end()
        assert site.ask("GET", "/health/live").headers["connection"] == "close"
        assert not drained.done()
        site.answer(b'"late"')
        answer = wire.response()
        assert (answer.body, answer.headers["connection"]) == (b'"late"', "close")
        assert wire.at_end()
        assert drained.result(10)
    assert len(site.calls) == 1


def test_a_draining_server_answers_the_first_request_of_a_connection(site: Site) -> None:
    with site.connect() as wire, site.connect() as fresh, site.connect() as silent:
        wire.post("fn.held")
        site.held.wait()
        assert site.settled(lambda: len(site.server.connections) == 3)
        drained = site.drain()
        assert site.settled(lambda: site.lane.draining)
        fresh.post("fn.add", BODY)
        answer = fresh.response()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert fresh.at_end()
        site.answer()
        assert wire.response().status == 200
        assert drained.result(10), "nobody waits for those who say nothing"
        assert len(site.server.connections) == 1
        silent.post("fn.add", BODY)
        assert silent.response().status == 503


def test_a_draining_server_refuses_what_waits_behind_a_call(site: Site) -> None:
    with site.connect() as wire:
        wire.send(post("fn.held") + post("fn.add", BODY))
        site.held.wait()
        drained = site.drain()
        assert site.settled(lambda: site.lane.draining)
        site.answer()
        assert [wire.response().status, wire.response().status] == [200, 503]
        assert wire.at_end()
        assert drained.result(10)


def test_a_drain_gives_up_after_its_grace(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.held")
        site.held.wait()
        assert not site.drain(0.05).result(10)
        fault = Fault.unavailable("the worker was ended")
        fault.started = Started.YES
        site.do(lambda: site.held.pending[0].fail(fault))
        assert json.loads(wire.response().body)["started"] == "yes"
