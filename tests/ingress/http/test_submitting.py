"""`Prefer: respond-async` stores a call as a task, and answers with it, or with its result if that comes in time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.core.call import Codec, Priority
from dragoman.core.draft import whole
from dragoman.core.fault import DeadlineExceeded, FailedPrecondition, Fault, Overloaded, Unavailable
from dragoman.core.terms import Terms
from dragoman.ingress.http.tasks import Document

from .ledger import Ledger, number
from .site import Answer, Site


def submit(
    site: Site, function: str = "fn.add", body: bytes = b"{}", prefer: str = "respond-async", **more: str
) -> Answer:
    return site.call(function, body, Prefer=prefer, **more)


def test_the_answer_is_the_task_and_says_where_it_is(site: Site) -> None:
    answer = submit(site, body=b'{"a":1,"b":2}')
    assert answer.status == 202
    assert answer.json["id"] == number(1)
    assert answer.headers["location"] == f"/v1/tasks/{number(1)}"
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["dragoman-call-id"].startswith("c0ffee00")
    assert int(answer.headers["retry-after"]) >= 1
    call, terms = site.ledger.submitted[0]
    assert (call.target.name, call.body, call.codec, terms) == ("fn.add", b'{"a":1,"b":2}', Codec.JSON, Terms())
    assert call.caller == "127.0.0.1"
    assert site.calls == [], "it was run as well"


def test_what_is_said_of_it_goes_with_it(site: Site) -> None:
    answer = submit(
        site,
        "fn.add",
        b"{}",
        "respond-async",
        **{
            "Dragoman-Task-Delay": "10m",
            "Dragoman-Task-Deadline": "1d",
            "Dragoman-Callback": "https://example.org/",
            "Dragoman-Timeout": "2s",
            "Dragoman-Priority": "batch",
            "Idempotency-Key": '"k1"',
            "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        },
    )
    assert answer.status == 202
    call, terms = site.ledger.submitted[0]
    url = json.dumps("https://example.org/").encode()
    assert terms == Terms(delay_s=600.0, deadline_s=86400.0, attempt_s=2.0, callback=url)
    assert (call.priority, call.idempotency_key) == (Priority.BATCH, "k1")
    assert call.trace is not None
    assert call.trace.trace_id.hex() == "a" * 32


@pytest.mark.parametrize(
    ("content_type", "accept", "codecs"),
    [
        ("application/json", "*/*", (Codec.JSON, Codec.JSON)),
        ("application/msgpack", "*/*", (Codec.MSGPACK, Codec.MSGPACK)),
        ("application/json", "application/msgpack", (Codec.JSON, Codec.MSGPACK)),
        ("application/octet-stream", "application/octet-stream", (Codec.BYTES, Codec.BYTES)),
        ("application/vnd.apache.arrow.stream", "*/*", (Codec.ARROW, Codec.ARROW)),
    ],
)
def test_every_codec_is_taken_and_the_task_is_json(
    site: Site, content_type: str, accept: str, codecs: tuple[Codec, Codec]
) -> None:
    answer = submit(site, "fn.echo", b"\x80", **{"content-type": content_type, "accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (202, "application/json")
    call, _ = site.ledger.submitted[0]
    assert (call.codec, call.reply_codec, call.body) == (*codecs, b"\x80")


def test_a_large_body_is_stored_whole(site: Site) -> None:
    body = b"[" + b" " * 700_000 + b"]"
    assert submit(site, body=body).status == 202
    assert site.ledger.submitted[0][0].body == body


def test_a_get_is_stored_too_with_its_query_as_input(site: Site) -> None:
    answer = site.ask("GET", "/v1/call/fn.add?a=1&b=2", Prefer="respond-async")
    assert answer.status == 202
    assert json.loads(bytes(whole(site.ledger.submitted[0][0].body))) == {"a": 1, "b": 2}


def test_what_only_a_task_can_do_makes_a_call_one(site: Site) -> None:
    answer = site.call("fn.add", b"{}", **{"Dragoman-Task-Delay": "1s"})
    assert (answer.status, "preference-applied" in answer.headers) == (202, False)
    assert site.ledger.submitted[0][1] == Terms(delay_s=1.0)


def test_another_preference_is_no_reason_to_store_anything(site: Site) -> None:
    answer = submit(site, prefer="return=minimal, wait=5", body=b'{"a":1,"b":2}')
    assert (answer.status, answer.body) == (200, b"3")
    assert "preference-applied" not in answer.headers
    assert site.ledger.submitted == []


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"Dragoman-Task-Delay": "soon"}, 400, "Dragoman-Task-Delay: expected a duration"),
        ({"Dragoman-Callback": "caf\xe9"}, 400, "Dragoman-Callback: expected a URL such as"),
        ({"Prefer": "respond-async, wait=soon"}, 400, "wait: expected whole seconds"),
        ({"content-type": "text/plain"}, 415, "cannot read a body of type text/plain"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_stored(site: Site, headers: dict[str, str], status: int, said: str) -> None:
    answer = site.call("fn.add", b"{}", **{"Prefer": "respond-async"} | headers)
    assert (answer.status, answer.json["code"]) == (status, "INVALID_ARGUMENT")
    assert said in answer.json["detail"]
    assert site.ledger.submitted == []


def test_an_unknown_function_is_a_404(site: Site) -> None:
    assert submit(site, "fn.none").status == 404
    assert site.ledger.submitted == []


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (FailedPrecondition("this idempotency key was used before"), 400),
        (Overloaded("so many wait already", retry_after_s=3), 429),
        (Unavailable("tasks cannot be kept now", retry_after_s=1), 503),
    ],
)
def test_what_is_not_stored_is_a_problem(site: Site, fault: Fault, status: int) -> None:
    site.ledger.fault = fault
    answer = submit(site)
    assert (answer.status, answer.json["detail"], answer.json["service"]) == (status, fault.detail, "shop")
    assert answer.json["instance"] == "/v1/call/fn.add"
    if fault.retry_after_s is not None:
        assert answer.headers["retry-after"] == str(fault.retry_after_s)


def test_a_mistake_of_the_host_is_an_answer_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> tuple[Document, bool]:
        raise RuntimeError("not a fault")

    monkeypatch.setattr(Ledger, "submit", broken)
    answer = submit(site)
    assert (answer.status, answer.json["code"]) == (500, "INTERNAL")


def test_a_host_without_tasks_says_so(site: Site) -> None:
    site.lane.board = None
    answer = submit(site)
    assert (answer.status, answer.json["code"]) == (501, "UNIMPLEMENTED")
    assert site.noted.counts.refusals == {"tasks": 1}


def test_a_head_that_came_before_is_known(site: Site) -> None:
    request = b"POST /v1/call/fn.add HTTP/1.1\r\nHost: x\r\nPrefer: respond-async\r\nContent-Length: 2\r\n\r\n{}"
    with site.connect() as wire:
        for index in range(3):
            wire.send(request)
            assert (wire.response().status, len(site.lane.heads)) == (202, 1)
            assert len(site.ledger.submitted) == index + 1


def test_requests_behind_it_wait_for_their_turn(site: Site) -> None:
    site.do(site.ledger.gate.clear)
    request = b"POST /v1/call/fn.add HTTP/1.1\r\nHost: x\r\nPrefer: respond-async\r\nContent-Length: 2\r\n\r\n{}"
    with site.connect() as wire:
        wire.send(request)
        wire.post("fn.echo", b"2", b"Connection: close")
        assert site.settled(lambda: len(site.ledger.submitted) == 1)
        assert site.calls == []
        site.do(site.ledger.gate.set)
        assert [wire.response().status for _ in range(2)] == [202, 200]
        assert wire.at_end()


def test_the_last_answer_of_a_connection_says_so(site: Site) -> None:
    answer = submit(site, Connection="close")
    assert answer.headers["connection"] == "close"


# Waiting for the result


def finished(site: Site, body: bytes = b"3", codec: Codec = Codec.JSON) -> None:
    """Have tasks end as they are stored."""

    def ended(id_: str) -> None:
        site.ledger.finish(id_, body, codec)

    site.ledger.on_submit = ended


def test_a_result_that_comes_in_time_is_the_answer(site: Site) -> None:
    finished(site)
    answer = submit(site, prefer="respond-async, wait=5")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"3", "application/json")
    assert answer.headers["preference-applied"] == "wait=5"
    assert answer.headers["content-location"] == f"/v1/tasks/{number(1)}/result"


def test_it_is_waited_for(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.add", b"{}", b"Prefer: respond-async, wait=9")
        assert site.settled(lambda: site.board.watched == 1)
        site.do(lambda: site.ledger.finish(number(1), b"\x01", Codec.MSGPACK))
        answer = wire.response()
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"\x01", "application/msgpack")
    assert site.board.watched == 0


def test_the_result_is_given_as_accept_asks_where_it_can_be(site: Site) -> None:
    finished(site)
    assert submit(site, prefer="respond-async, wait=5", accept="application/msgpack").body == b"\x03"
    finished(site, b"raw", Codec.BYTES)
    answer = submit(site, prefer="respond-async, wait=5", accept="application/json")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"raw", "application/octet-stream")


def test_a_result_that_does_not_come_in_time_is_fetched_later(site: Site) -> None:
    answer = submit(site, prefer="respond-async, wait=1")
    assert (answer.status, answer.json["state"]) == (202, "PENDING")
    assert answer.headers["preference-applied"] == "respond-async, wait=1"
    assert site.settled(lambda: site.board.watched == 0)


def test_the_fault_of_a_task_is_the_answer_as_of_a_call(site: Site) -> None:
    fault = DeadlineExceeded("fn.add ran past its timeout", function="fn.add")

    def ended(id_: str) -> None:
        site.ledger.fail(id_, fault)

    site.ledger.on_submit = ended
    answer = submit(site, prefer="respond-async, wait=5")
    assert (answer.status, answer.json["code"]) == (504, "DEADLINE_EXCEEDED")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-location"] == f"/v1/tasks/{number(1)}/result"


def test_what_is_stored_is_a_202_whatever_happens_behind_it(site: Site) -> None:
    def away(_: str) -> None:
        site.ledger.fault = Unavailable("the store is away", retry_after_s=1)

    site.ledger.on_submit = away
    answer = submit(site, prefer="respond-async, wait=5")
    assert (answer.status, answer.json["id"]) == (202, number(1))


def test_a_result_that_the_store_cannot_give_now_is_a_202(site: Site) -> None:
    def away(id_: str) -> None:
        site.ledger.finish(id_)
        site.ledger.results[id_] = Unavailable("the store is away", retry_after_s=1)

    site.ledger.on_submit = away
    answer = submit(site, prefer="respond-async, wait=5")
    assert (answer.status, answer.json["state"]) == (202, "SUCCEEDED")


def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.add", b"{}", b"Prefer: respond-async, wait=60")
        assert site.settled(lambda: site.ledger.following == 1)
    assert site.settled(lambda: site.board.watched == 0 and site.ledger.following == 0)
    assert site.settled(lambda: site.noted.counts.connections == 0)


def test_a_client_that_leaves_before_it_is_stored_has_it_stored_all_the_same(site: Site) -> None:
    site.do(site.ledger.gate.clear)
    with site.connect() as wire:
        wire.post("fn.add", b"{}", b"Prefer: respond-async, wait=60")
        assert site.settled(lambda: len(site.ledger.submitted) == 1)
    assert site.settled(lambda: site.noted.counts.connections == 0)
    site.do(site.ledger.gate.set)
    assert site.settled(lambda: len(site.ledger.tasks) == 1)
    assert site.settled(lambda: site.board.watched == 0)


def test_a_host_that_stops_gives_the_task_to_who_waits_for_its_result(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.add", b"{}", b"Prefer: respond-async, wait=60")
        assert site.settled(lambda: site.ledger.following == 1)
        done = site.drain()
        answer = wire.response()
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        assert done.result(10)
