"""A task is followed by server-sent events, from where a client lost it, to its end."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from dragoman.core.fault import Unavailable
from dragoman.ingress.http import task_events
from dragoman.ingress.http.feed import Event
from dragoman.ingress.http.task_events import written

from .ledger import number
from .site import Answer, Site, Wire


class Heard(NamedTuple):
    id: int
    kind: str
    data: Any

    @property
    def short(self) -> tuple[int, str, Any]:
        return self.id, self.kind, self.data.get("state") or self.data.get("message") or self.data.get("progress")


def read(text: bytes) -> list[Heard]:
    """The events of a stream, as a browser reads them."""
    heard: list[Heard] = []
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            heard.append(Heard(int(fields.get("id", -1)), fields["event"], json.loads(fields["data"])))
    return heard


def follow(site: Site, id_: str, *lines: str, query: str = "") -> Wire:
    wire = site.connect()
    more = "".join(line + "\r\n" for line in lines)
    wire.send(f"GET /v1/tasks/{id_}/events{query} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
    return wire


def answered(site: Site, id_: str, *lines: str, query: str = "") -> Answer:
    """The whole answer, of a task that is over."""
    with follow(site, id_, *lines, query=query) as wire:
        return wire.response()


def test_events_are_written_as_browsers_read_them() -> None:
    text = written([Event(7, "log", {"message": "one\ntwo\r\u2028"}), Event(8, "state", {"state": "FAILED"})])
    assert read(text) == [Heard(7, "log", {"message": "one\ntwo\r\u2028"}), Heard(8, "state", {"state": "FAILED"})]
    assert text.count(b"\n") == 8
    assert b"\r" not in text


def test_a_task_is_followed_to_its_end(site: Site) -> None:
    id_ = site.task()
    with follow(site, id_) as wire:
        status, headers = wire.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert headers["cache-control"] == "no-cache"
        assert [event.short for event in read(wire.chunk())] == [(0, "state", "PENDING")]
        site.do(lambda: site.ledger.change(id_, state="RUNNING"))
        assert [event.short for event in read(wire.chunk())] == [(0, "state", "RUNNING")]
        site.do(lambda: site.ledger.log(id_, "one"))
        assert [event.short for event in read(wire.chunk())] == [(3, "log", "one")]
        site.do(lambda: site.ledger.change(id_, progress=0.5))
        assert [event.short for event in read(wire.chunk())] == [(3, "progress", 0.5)]
        site.do(lambda: site.ledger.finish(id_))
        (end,) = read(wire.chunk())
        assert end.short == (5, "state", "SUCCEEDED")
        assert end.data["id"] == id_
        assert wire.chunk() == b""
        wire.post("fn.echo", b"1")
        assert wire.response().body == b"1", "the connection goes on"
    assert site.settled(lambda: site.board.watched == 0)


def test_a_client_goes_on_where_it_was(site: Site) -> None:
    id_ = site.task(state="RUNNING")
    site.do(lambda: site.ledger.log(id_, "one", "two", "three"))
    site.do(lambda: site.ledger.finish(id_))
    heard = read(answered(site, id_, "Last-Event-ID: 2").body)
    assert [event.short for event in heard] == [(3, "log", "two"), (4, "log", "three"), (5, "state", "SUCCEEDED")]
    assert read(answered(site, id_, query="?after=2").body) == heard


def test_a_client_that_has_heard_the_end_need_not_come_back(site: Site) -> None:
    id_ = site.task()
    site.do(lambda: site.ledger.finish(id_))
    (end,) = read(answered(site, id_).body)
    answer = answered(site, id_, f"Last-Event-ID: {end.id}")
    assert (answer.status, answer.body) == (204, b"")
    site.do(lambda: site.ledger.change(id_, state="PENDING"))
    with follow(site, id_, f"Last-Event-ID: {end.id}") as wire:
        assert wire.head()[0] == 200
        assert read(wire.chunk())[0].short == (end.id, "state", "PENDING")


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30])
def test_an_id_that_is_none_is_refused(site: Site, last: str) -> None:
    answer = answered(site, site.task(), f"Last-Event-ID: {last}")
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "/Last-Event-ID")


def test_silence_is_broken_now_and_then(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_events, "HEARTBEAT_S", 0.01)
    with follow(site, site.task()) as wire:
        wire.head()
        wire.chunk()
        assert [wire.chunk(), wire.chunk()] == [b":\n\n", b":\n\n"]


def test_trouble_in_the_middle_is_told(site: Site) -> None:
    id_ = site.task()
    with follow(site, id_) as wire:
        wire.head()
        wire.chunk()
        site.ledger.fault = Unavailable("the store is away", retry_after_s=1)
        site.do(lambda: site.ledger.change(id_))
        (fault,) = read(wire.chunk())
        assert (fault.kind, fault.data["code"], fault.data["status"]) == ("fault", "UNAVAILABLE", 503)
        assert wire.chunk() == b""


def test_a_client_that_reads_nothing_holds_up_no_more_than_its_buffers(site: Site) -> None:
    id_ = site.task(state="RUNNING")
    rounds = 60
    with follow(site, id_) as wire:
        assert wire.head()[0] == 200
        assert site.settled(lambda: site.ledger.following == 1)
        for index in range(rounds):
            text = f"{index}:" + "x" * 1000
            site.do(lambda text=text: site.ledger.log(id_, *[text] * 500))
        (connection,) = site.server.connections
        assert site.settled(lambda: connection.unread_s(site.lane.now()) > 0)
        assert connection.transport.get_write_buffer_size() < 4 * 1024 * 1024
        site.do(lambda: site.ledger.finish(id_))
        heard = read(b"".join(wire.chunks()))
    lines = [event.data["message"] for event in heard if event.kind == "log"]
    assert len(lines) == rounds * 500, "the store has them all, and so has the client"
    assert heard[-1].short[1:] == ("state", "SUCCEEDED")
    assert [event.id for event in heard] == sorted(event.id for event in heard)


def test_many_follow_one_task(site: Site) -> None:
    id_ = site.task()
    wires = [follow(site, id_) for _ in range(100)]
    for wire in wires:
        wire.head()
        wire.chunk()
    site.do(lambda: site.ledger.finish(id_))
    assert {tuple(event.short for event in read(wire.chunk())) for wire in wires} == {((2, "state", "SUCCEEDED"),)}
    assert [what for what, _ in site.ledger.asked].count("events") == 1
    for wire in wires:
        wire.close()


def test_a_client_that_knows_no_chunks_is_told_what_there_is(site: Site) -> None:
    def ask(last: int = 0) -> list[tuple[int, str, Any]]:
        with site.connect() as wire:
            wire.send(f"GET /v1/tasks/{id_}/events HTTP/1.0\r\nLast-Event-ID: {last}\r\n\r\n".encode())
            status, headers = wire.head()
            assert (status, "transfer-encoding" in headers) == (200, False)
            heard = read(wire.file.read())
            assert not any("history" in event.data for event in heard)
            return [event.short for event in heard]

    id_ = site.task()
    site.do(lambda: site.ledger.log(id_, "one", "two"))
    assert ask() == [(0, "state", "PENDING"), (2, "log", "one"), (3, "log", "two")]
    assert ask(2) == [(2, "state", "PENDING"), (3, "log", "two")]
    site.do(lambda: site.ledger.finish(id_))
    assert ask(2) == [(3, "log", "two"), (4, "state", "SUCCEEDED")]
    with site.connect() as wire:
        wire.send(f"GET /v1/tasks/{number(7)}/events HTTP/1.0\r\n\r\n".encode())
        assert wire.head()[0] == 404


def test_a_task_that_is_not_there_is_a_problem(site: Site) -> None:
    answer = answered(site, number(5))
    assert (answer.status, answer.json["code"]) == (404, "NOT_FOUND")
