"""Tasks are listed, shown, waited for, cancelled and run anew over HTTP."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import DeadlineExceeded, Fault, Started, Unavailable
from dragoman.ingress.http.tasks import Wanted

from .ledger import number
from .site import Site

ONE = "/v1/tasks/{}"
GETS = ["/v1/tasks", "/v1/tasks/deliveries", ONE, ONE + "/result", ONE + "/events", ONE + "/logs"]


# Shown


def test_a_task_is_shown_with_its_history(site: Site) -> None:
    id_ = site.task()
    answer = site.ask("GET", ONE.format(id_))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert (answer.json["id"], answer.json["state"], answer.json["history"]) == (id_, "PENDING", [])
    assert answer.headers["etag"] == '"1"'
    assert 1 <= int(answer.headers["retry-after"]) <= 30


def test_who_has_a_task_already_is_told_so_until_it_changes(site: Site) -> None:
    id_ = site.task()
    etag = site.ask("GET", ONE.format(id_)).headers["etag"]
    known = site.ask("GET", ONE.format(id_), If_None_Match=f'"x", W/{etag}')
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", etag)
    assert "retry-after" in known.headers
    site.do(lambda: site.ledger.change(id_, state="RUNNING"))
    assert site.ask("GET", ONE.format(id_), If_None_Match=etag).json["state"] == "RUNNING"


def test_a_task_that_is_over_need_not_be_asked_for_again(site: Site) -> None:
    assert "retry-after" not in site.ask("GET", ONE.format(site.task(state="SUCCEEDED"))).headers


@pytest.mark.parametrize("path", [ONE, ONE + "?wait=5s", ONE + "/result", ONE + "/events", ONE + "/logs"])
def test_a_task_that_is_not_there_is_a_404(site: Site, path: str) -> None:
    answer = site.ask("GET", path.format(number(9)))
    assert (answer.status, answer.json["code"]) == (404, "NOT_FOUND")
    assert answer.json["instance"] == path.format(number(9)).partition("?")[0]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "where", "said"),
    [
        ("/v1/tasks/17", "/id", 'expected the id of a task, such as "0198'),
        ("/v1/tasks/17/result", "/id", "expected the id of a task"),
        ("/v1/tasks/17/events", "/id", "expected the id of a task"),
        ("/v1/tasks/17/logs", "/id", "expected the id of a task"),
        (ONE + "?wait=5", "/wait", 'expected a duration such as "500ms"'),
        (ONE + "?wiat=5s", "/wiat", "there is no such parameter; what is known here is wait"),
        (ONE + "/result?wait=x", "/wait", "expected a duration"),
        (ONE + "/logs?after=x", "/after", "expected the id of an event, a number"),
        (ONE + "/events?after=x", "/after", "expected the id of an event, a number"),
        ("/v1/tasks?state=DONE", "/state", "expected one of SCHEDULED, PENDING"),
        ("/v1/tasks?limit=1001", "/limit", "expected a number from 1 to 1000"),
        ("/v1/tasks/deliveries?state=done", "/state", 'expected "dead"'),
    ],
)
def test_what_cannot_be_read_is_a_400_that_says_what_was_expected(site: Site, path: str, where: str, said: str) -> None:
    answer = site.ask("GET", path.format(site.task()))
    assert (answer.status, answer.json["code"], answer.json["started"]) == (400, "INVALID_ARGUMENT", "no")
    assert [error["path"] for error in answer.json["errors"]] == [where]
    assert said in answer.json["detail"]


def test_trouble_with_the_store_says_when_to_come_back(site: Site) -> None:
    site.ledger.fault = Unavailable("tasks cannot be kept now", retry_after_s=1.0)
    for path in ("/v1/tasks", ONE.format(number(1)), ONE.format(number(1)) + "/events"):
        answer = site.ask("GET", path)
        assert (answer.status, answer.headers["retry-after"], answer.json["service"]) == (503, "1", "shop")


# Waited for


def test_a_task_is_waited_for_until_it_is_over(site: Site) -> None:
    id_ = site.task()
    with site.connect() as wire:
        wire.send(f"GET /v1/tasks/{id_}?wait=1m HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert site.settled(lambda: site.ledger.following == 1)
        site.do(lambda: site.ledger.change(id_, state="RUNNING"))
        site.do(lambda: site.ledger.finish(id_))
        answer = wire.response()
    assert (answer.status, answer.json["state"]) == (200, "SUCCEEDED")
    assert site.settled(lambda: site.board.watched == 0)


def test_it_is_waited_for_no_longer_than_asked(site: Site) -> None:
    begun = time.monotonic()
    answer = site.ask("GET", ONE.format(site.task()) + "?wait=50ms")
    assert (answer.status, answer.json["state"]) == (200, "PENDING")
    assert time.monotonic() - begun >= 0.05


def test_a_task_that_did_not_change_while_it_was_waited_for_is_not_sent_again(site: Site) -> None:
    assert site.ask("GET", ONE.format(site.task()) + "?wait=20ms", If_None_Match='"1"').status == 304


def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind(site: Site) -> None:
    id_ = site.task()
    for path in (f"/v1/tasks/{id_}?wait=1m", f"/v1/tasks/{id_}/result?wait=1m", f"/v1/tasks/{id_}/events"):
        with site.connect() as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert site.settled(lambda: site.ledger.following == 1)
        assert site.settled(lambda: site.board.watched == 0 and site.ledger.following == 0)
    assert site.settled(lambda: not site.server.server_state.tasks)


def test_a_client_that_leaves_with_more_requests_in_line_leaves_nothing_behind(site: Site) -> None:
    id_ = site.task()
    for path in (f"/v1/tasks/{id_}?wait=1m", f"/v1/tasks/{id_}/events"):
        with site.connect() as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 3)
            assert site.settled(lambda: site.ledger.following == 1)
        assert site.settled(lambda: site.board.watched == 0 and site.ledger.following == 0)
    assert site.settled(lambda: not site.server.server_state.tasks)


def test_many_who_wait_for_one_task_cost_one_subscription(site: Site) -> None:
    id_ = site.task()
    wires = [site.connect() for _ in range(100)]
    for wire in wires:
        wire.send(f"GET /v1/tasks/{id_}?wait=1m HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    feeds = vars(site.board)["_feeds"]
    assert site.settled(lambda: id_ in feeds and len(feeds[id_].watchers) == len(wires))
    site.do(lambda: site.ledger.finish(id_))
    assert {wire.response().json["state"] for wire in wires} == {"SUCCEEDED"}
    asked = [what for what, _ in site.ledger.asked]
    assert asked.count("events") == 1
    assert asked.count("show") < len(wires)
    for wire in wires:
        wire.close()


def test_a_host_that_stops_lets_those_go_who_wait(site: Site) -> None:
    id_ = site.task()
    with site.connect() as waiting, site.connect() as following:
        waiting.send(f"GET /v1/tasks/{id_}?wait=1m HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        following.send(f"GET /v1/tasks/{id_}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert following.head()[0] == 200
        assert b"PENDING" in following.chunk()
        assert site.settled(lambda: site.board.watched == 1)
        done = site.drain()
        assert waiting.response().json["state"] == "PENDING"
        assert following.chunk() == b""
        assert done.result(10)


# Results


def test_a_result_is_given_bare(site: Site) -> None:
    id_ = site.task()
    site.do(lambda: site.ledger.finish(id_, b'{"sum":3}'))
    answer = site.ask("GET", ONE.format(id_) + "/result")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b'{"sum":3}', "application/json")
    assert answer.headers["vary"] == "accept"
    answer = site.ask("GET", ONE.format(id_) + "/result", Accept="application/msgpack")
    assert answer.headers["content-type"] == "application/msgpack"
    assert msgspec.msgpack.decode(answer.body) == {"sum": 3}


def test_a_large_result_is_given_in_another_codec_too(site: Site) -> None:
    id_ = site.task()
    value = list(range(100_000))
    site.do(lambda: site.ledger.finish(id_, msgspec.json.encode(value)))
    answer = site.ask("GET", ONE.format(id_) + "/result", Accept="application/msgpack")
    assert msgspec.msgpack.decode(answer.body) == value


def test_a_result_that_accept_rules_out_is_a_406(site: Site) -> None:
    id_ = site.task()
    site.do(lambda: site.ledger.finish(id_, b"raw", Codec.BYTES))
    assert site.ask("GET", ONE.format(id_) + "/result").headers["content-type"] == "application/octet-stream"
    answer = site.ask("GET", ONE.format(id_) + "/result", Accept="application/json")
    assert (answer.status, answer.json["title"]) == (406, "Not Acceptable")
    assert "application/octet-stream" in answer.json["detail"]


def test_a_task_that_is_not_over_has_no_result_yet(site: Site) -> None:
    id_ = site.task(state="RUNNING")
    answer = site.ask("GET", ONE.format(id_) + "/result")
    assert (answer.status, answer.json["id"], answer.json["state"]) == (202, id_, "RUNNING")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_result_can_be_waited_for(site: Site) -> None:
    id_ = site.task()
    with site.connect() as wire:
        wire.send(f"GET /v1/tasks/{id_}/result?wait=1m HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert site.settled(lambda: site.ledger.following == 1)
        site.do(lambda: site.ledger.finish(id_, b"7"))
        answer = wire.response()
    assert (answer.status, answer.body) == (200, b"7")


def test_the_fault_of_a_task_is_a_problem_with_its_status(site: Site) -> None:
    id_ = site.task()
    fault = DeadlineExceeded("reports.build ran past 5s", started=Started.YES, function="reports.build")
    fault.call_id = "c0ffee00000001"
    site.do(lambda: site.ledger.fail(id_, fault, "TIMED_OUT"))
    answer = site.ask("GET", ONE.format(id_) + "/result")
    assert (answer.status, answer.json["code"], answer.json["started"]) == (504, "DEADLINE_EXCEEDED", "yes")
    assert (answer.json["function"], answer.json["call_id"]) == ("reports.build", "c0ffee00000001")
    assert answer.json["instance"] == ONE.format(id_) + "/result"
    assert "retry-after" not in answer.headers


def test_a_task_that_ended_in_passing_trouble_is_not_to_be_asked_for_again(site: Site) -> None:
    id_ = site.task()
    site.do(lambda: site.ledger.fail(id_, Unavailable("the worker died", started=Started.NO), "DEAD"))
    answer = site.ask("GET", ONE.format(id_) + "/result")
    assert (answer.status, "retry-after" in answer.headers) == (503, False)


# Lists


def test_tasks_are_listed_by_what_is_asked(site: Site) -> None:
    site.task()
    answer = site.ask("GET", "/v1/tasks?state=pending,dead&function=fn.add&limit=10")
    assert answer.status == 200
    assert answer.json.keys() == {"tasks", "next"}
    assert site.ledger.wanted == [Wanted(frozenset({"PENDING", "DEAD"}), "fn.add", limit=10)]
    assert "link" not in answer.headers


def test_the_next_page_is_linked(site: Site) -> None:
    for _ in range(3):
        site.task()
    site.ledger.next = number(2)
    answer = site.ask("GET", "/v1/tasks?state=PENDING&limit=2&caller=a%20b")
    assert answer.json["next"] == number(2)
    target, _, relation = answer.headers["link"].partition("; ")
    assert relation == 'rel="next"'
    assert site.ask("GET", target.strip("<>")).status == 200
    assert site.ledger.wanted[1] == Wanted(frozenset({"PENDING"}), caller="a b", before=number(2), limit=2)


def test_the_lines_of_a_task_are_listed(site: Site) -> None:
    id_ = site.task()
    site.do(lambda: site.ledger.log(id_, "one", "two"))
    logs = site.ask("GET", ONE.format(id_) + "/logs").json["logs"]
    assert [line["message"] for line in logs] == ["one", "two"]
    after = site.ask("GET", ONE.format(id_) + f"/logs?after={logs[0]['seq']}").json["logs"]
    assert [line["message"] for line in after] == ["two"]


# Steered


@pytest.mark.parametrize(
    ("state", "status", "after"),
    [("PENDING", 200, "CANCELLED"), ("RUNNING", 202, "RUNNING"), ("FAILED", 200, "FAILED")],
)
def test_a_task_is_cancelled_at_once_or_being_stopped(site: Site, state: str, status: int, after: str) -> None:
    answer = site.ask("DELETE", ONE.format(site.task(state=state)))
    assert (answer.status, answer.json["state"], "retry-after" in answer.headers) == (status, after, status == 202)
    assert answer.json["cancelling"] is (state == "RUNNING")


def test_a_task_that_failed_is_run_anew(site: Site) -> None:
    id_ = site.task(state="DEAD")
    answer = site.ask("POST", ONE.format(id_) + "/retry")
    assert (answer.status, answer.json["state"], answer.headers["location"]) == (202, "PENDING", ONE.format(id_))
    answer = site.ask("POST", ONE.format(id_) + "/retry")
    assert (answer.status, answer.json["code"], answer.json["title"]) == (409, "FAILED_PRECONDITION", "Conflict")


@pytest.mark.parametrize(("method", "path"), [("DELETE", ONE), ("POST", ONE + "/retry")])
def test_what_changes_a_task_takes_no_parameters_and_no_foreign_page(site: Site, method: str, path: str) -> None:
    path = path.format(site.task(state="DEAD"))
    assert site.ask(method, path + "?force=1").status == 400
    answer = site.ask(method, path, Sec_Fetch_Site="cross-site")
    assert (answer.status, answer.json["code"]) == (403, "PERMISSION_DENIED")
    assert site.ask(method, path, Sec_Fetch_Site="same-origin").status in (200, 202)


def test_messages_that_were_given_up_are_listed_and_tried_again(site: Site) -> None:
    site.ledger.dead = [{"id": "d1", "task": number(1), "target": {"url": "http://x/"}, "attempts": 5, "fault": "500"}]
    assert site.ask("GET", "/v1/tasks/deliveries").json == {"deliveries": site.ledger.dead}
    assert site.ask("GET", "/v1/tasks/deliveries?state=dead").status == 200
    answer = site.ask("POST", "/v1/tasks/deliveries/d1/retry")
    assert (answer.status, answer.json) == (202, {"id": "d1"})
    assert site.ask("POST", "/v1/tasks/deliveries/d2/retry").status == 404
    assert site.ask("POST", "/v1/tasks/deliveries/%20/retry").status == 400


# Methods


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        *((path, {"GET", "HEAD"}) for path in GETS if path != ONE),
        (ONE, {"GET", "HEAD", "DELETE"}),
        (ONE + "/retry", {"POST"}),
        ("/v1/tasks/deliveries/d1/retry", {"POST"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_a_method_that_a_route_does_not_take_is_a_405(site: Site, path: str, allowed: set[str], method: str) -> None:
    if method in allowed:
        return
    answer = site.ask(method, path.format(site.task()))
    assert (answer.status, answer.json["code"]) == (405, "UNIMPLEMENTED")
    assert {each.strip() for each in answer.headers["allow"].split(",")} == allowed


@pytest.mark.parametrize("path", GETS)
def test_a_head_is_a_get_without_its_body(site: Site, path: str) -> None:
    path = path.format(site.task(state="SUCCEEDED"))
    site.do(lambda: site.ledger.finish(number(1)))
    head, full = site.ask("HEAD", path), site.ask("GET", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == full.headers["content-type"]
    assert head.headers["x-content-type-options"] == "nosniff"


def test_a_mistake_of_the_host_is_a_problem_without_its_insides(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("not a fault")

    for name in ("find", "show", "logs"):
        monkeypatch.setattr(site.ledger, name, broken)
    for path in ("/v1/tasks", ONE.format(number(1)), ONE.format(number(1)) + "/logs"):
        answer = site.ask("GET", path)
        assert (answer.status, answer.json["code"]) == (500, "INTERNAL")
        assert b"Traceback" not in answer.body


def test_a_fault_that_the_host_raises_keeps_its_code(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.ledger.fault = Fault.permission_denied("not yours")
    assert site.ask("GET", "/v1/tasks").status == 403
