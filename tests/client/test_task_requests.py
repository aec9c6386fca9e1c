import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

import dragoman
from dragoman.client.desk import NOT_YET, Search
from dragoman.client.listing import Listed
from dragoman.client.order import Order
from dragoman.client.task_requests import (
    Happening,
    Quiet,
    Resulting,
    Told,
    events_request,
    find_request,
    logs_request,
    redeliver_request,
    show_request,
    submit_request,
)
from dragoman.contract.function import Contract
from tests.client.desks import ID, document

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}


def told(status: int, body: bytes, headers: dict[str, str] | None = None) -> Told:
    answer = Told("", None, 10_000)
    answer.begin(status, headers or JSON)
    answer.gather(body)
    return answer


def test_a_submission_is_a_call_that_may_be_answered_later() -> None:
    request = submit_request("s.f", {"a": 1}, None, Order(delay=2, priority="batch", key="k"))
    assert (request.method, request.path) == ("POST", "/v1/call/s.f")
    assert request.headers["prefer"] == "respond-async"
    assert request.headers["dragoman-task-delay"] == "2000ms"
    assert request.headers["idempotency-key"] == '"k"'


def test_of_a_function_that_streams_the_items_are_asked_for_as_one_list() -> None:
    known = Listed(Contract("f", streaming=True), 1.0)
    assert submit_request("s.f", {}, known, Order()).headers["accept"] == "application/msgpack"


def test_an_input_that_comes_bit_by_bit_cannot_be_stored() -> None:
    schema = {"type": "object", "properties": {"lines": {"type": "array"}}}
    known = Listed(Contract("f", input=schema, input_stream="lines"), 1.0)

    async def lines() -> AsyncIterator[int]:
        yield 1

    for given in (iter([1]), lines()):
        with pytest.raises(dragoman.Unimplemented, match="give a list"):
            submit_request("s.f", {"lines": given}, known, Order())


def test_questions_are_asked_where_hosts_answer_them() -> None:
    assert show_request(ID, 1.5).path == f"/v1/tasks/{ID}?wait=1500ms"
    assert show_request(ID, 0).path == show_request(ID).path == f"/v1/tasks/{ID}"
    assert find_request(Search(("DEAD", "FAILED"), "s.f", ID, 5)).path.startswith("/v1/tasks?state=DEAD")
    assert find_request(Search()).path == "/v1/tasks?limit=100"
    assert events_request(ID, 7).headers["last-event-id"] == "7"
    assert "last-event-id" not in events_request(ID, 0).headers
    assert redeliver_request("d/1").path == "/v1/tasks/deliveries/d%2F1/retry"
    assert logs_request(ID, 3).path == f"/v1/tasks/{ID}/logs?after=3"


def test_an_answer_is_a_document_or_a_fault() -> None:
    for status in (200, 202):
        assert told(status, json.dumps(document()).encode()).document()["id"] == ID
    with pytest.raises(dragoman.NotFound):
        told(404, b'{"code": "NOT_FOUND"}').document()
    for body in (b"[]", b"nonsense", b""):
        with pytest.raises(dragoman.Unknown, match="may be no Dragoman host"):
            told(200, body).document()
    with pytest.raises(dragoman.Unknown, match="no list of logs"):
        told(200, b"{}").documents("logs")
    assert told(200, b'{"logs": [{"seq": 1}]}').documents("logs") == [{"seq": 1}]


def test_a_result_is_of_the_kind_that_was_stored_or_not_there_yet() -> None:
    def result(status: int, kind: str, body: bytes) -> Any:
        answer = Resulting("s.f", None, 10_000)
        answer.begin(status, {"content-type": kind})
        answer.gather(body)
        return answer.result()

    assert result(200, "application/json", b"[1]") == [1]
    assert result(200, "application/msgpack", b"\x2a") == 42
    assert result(200, "application/octet-stream", b"raw") == b"raw"
    assert result(202, "application/json", b"{}") is NOT_YET


def test_events_are_read_as_they_come() -> None:
    happening = Happening()
    happening.begin(200, EVENTS)
    assert happening.feed(b': hello\n\nevent: state\nid: 3\ndata: {"seq": 3, "sta') == []
    (event,) = happening.feed(b'te": "RUNNING"}\n\n')
    assert (event.seq, event.kind, event.data["state"]) == (3, "state", "RUNNING")
    assert happening.feed(b":\n\n") == []
    (event,) = happening.feed(b'event: progress\nid: 4\ndata: {"progress": 0.5}\n\n')
    assert (event.seq, event.kind) == (4, "progress")
    with pytest.raises(dragoman.Unknown):
        happening.feed(b"event: log\nid: 5\ndata: [\n\n")
    happening.finish()
    with pytest.raises(dragoman.Unavailable):
        happening.feed(b'event: fault\ndata: {"code": "UNAVAILABLE"}\n\n')


def test_where_all_has_been_told_there_is_nothing_to_come() -> None:
    happening = Happening()
    happening.begin(204, {})
    happening.finish()


def test_an_answer_that_is_no_stream_is_the_fault_that_it_says() -> None:
    for status, headers, body, fault in (
        (404, JSON, b'{"code": "NOT_FOUND"}', dragoman.NotFound),
        (502, {"content-type": "text/html"}, b"<p>", dragoman.Unavailable),
        (200, {"content-type": "text/html"}, b"<p>", dragoman.Unknown),
    ):
        happening = Happening()
        happening.begin(status, headers)
        assert happening.feed(body) == []
        with pytest.raises(fault):
            happening.finish()


def test_silence_is_bounded_and_the_stream_is_not() -> None:
    quiet = Quiet(0.0)
    assert quiet.left_s(0.0) == quiet.left_s(1e9) == 60.0


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("state", b'{"id":"a","state":null}'),
        ("state", b'{"id":"a","state":"RUNNING","seq":"many"}'),
        ("state", b'{"id":"a","state":"RUNNING","progress":"half"}'),
        ("progress", b'{"progress":"half"}'),
        ("log", b'{"seq":null}'),
        ("log", b"[]"),
    ],
)
def test_what_is_no_event_of_a_task_is_told(kind: str, data: bytes) -> None:
    happening = Happening()
    with pytest.raises(dragoman.Fault, match="may be no Dragoman host"):
        happening.feed(b"id: 1\nevent: %b\ndata: %b\n\n" % (kind.encode(), data))


def test_an_id_that_is_no_number_or_an_endless_one_is_none() -> None:
    for text in (b"9" * 5000, "٣".encode(), b"-1", b""):
        (event,) = Happening().feed(b'id: %b\nevent: log\ndata: {"seq":1}\n\n' % text)
        assert event.seq == 0
