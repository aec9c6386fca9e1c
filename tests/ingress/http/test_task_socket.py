"""A task is followed over WebSocket as by server-sent events: the same events, each a text of JSON."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from dragoman.core.fault import Unavailable
from dragoman.ingress.http.head import Refusal
from dragoman.ingress.http.task_socket import MESSAGE_BYTES_MAX, asked
from dragoman.wire.websocket import Closed, Event, WebSocket

from .ledger import number
from .site import Answer, Site, Wire

HANDSHAKE = (
    "GET /v1/tasks/{}/events{} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n"
)


class Talk:
    """The client's half of a WebSocket."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._socket = WebSocket(client=True, message_bytes_max=1 << 20)
        self._events: list[Event] = []

    def next(self) -> Event:
        """What comes next from the host."""
        while not self._events:
            data = self.wire.file.read1(1 << 16)
            if not data:
                raise EOFError
            self._events = self._socket.receive(data)
            self.flush()
        return self._events.pop(0)

    def json(self) -> Any:
        event = self.next()
        assert not isinstance(event, Closed), event
        assert event.text
        return json.loads(event.body)

    def heard(self) -> tuple[int, str, Any]:
        """The next event in short."""
        event = self.json()
        data = event["data"]
        return event["id"], event["event"], data.get("state") or data.get("message") or data.get("progress")

    def closed(self) -> int:
        """The code with which the host has closed."""
        event = self.next()
        assert isinstance(event, Closed), event
        return event.code

    def send(self, text: str) -> None:
        self._socket.send(text.encode(), text=True)
        self.flush()

    def close(self) -> None:
        self._socket.close(1000)
        self.flush()

    def flush(self) -> None:
        self.wire.send(self._socket.take())


def ask(site: Site, id_: str, query: str = "", **headers: str) -> Wire:
    """A connection on which a handshake has been sent."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    wire = site.connect()
    wire.send(HANDSHAKE.format(id_, query, more).encode())
    return wire


def refused(site: Site, id_: str, query: str = "", **headers: str) -> Answer:
    with ask(site, id_, query, **headers) as wire:
        return wire.response()


@contextmanager
def follow(site: Site, id_: str, query: str = "", **headers: str) -> Generator[Talk]:
    with ask(site, id_, query, **headers) as wire:
        status, answer = wire.head()
        assert (status, answer["sec-websocket-accept"]) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        yield Talk(wire)


def test_a_task_is_followed_to_its_end(site: Site) -> None:
    id_ = site.task()
    with follow(site, id_) as talk:
        assert talk.heard() == (0, "state", "PENDING")
        site.do(lambda: site.ledger.log(id_, "one"))
        assert talk.heard() == (2, "log", "one")
        talk.send("whatever")
        site.do(lambda: site.ledger.finish(id_))
        assert talk.heard() == (3, "state", "SUCCEEDED")
        assert talk.closed() == 1000
    assert site.settled(lambda: site.board.watched == 0 and site.noted.counts.connections == 0)


@pytest.mark.parametrize(("query", "headers"), [("?after=2", {}), ("", {"Last_Event_ID": "2"})])
def test_a_client_goes_on_where_it_was(site: Site, query: str, headers: dict[str, str]) -> None:
    id_ = site.task()
    site.do(lambda: site.ledger.log(id_, "one", "two"))
    with follow(site, id_, query, **headers) as talk:
        assert [talk.heard(), talk.heard()] == [(2, "state", "PENDING"), (3, "log", "two")]


def test_a_task_that_is_not_there_is_told_in_the_socket(site: Site) -> None:
    with follow(site, number(3)) as talk:
        problem = talk.json()["problem"]
        assert (problem["code"], problem["instance"]) == ("NOT_FOUND", f"/v1/tasks/{number(3)}/events")
        assert talk.closed() == 4005


def test_trouble_in_the_middle_is_told(site: Site) -> None:
    id_ = site.task()
    with follow(site, id_) as talk:
        talk.heard()
        site.ledger.fault = Unavailable("the store is away")
        site.do(lambda: site.ledger.change(id_))
        assert talk.json()["problem"]["code"] == "UNAVAILABLE"
        assert talk.closed() == 4014


@pytest.mark.parametrize(
    ("id_", "query", "headers", "status"),
    [
        ("17", "", {}, 400),
        (number(1), "?after=x", {}, 400),
        (number(1), "?since=1", {}, 400),
        (number(1), "", {"Last_Event_ID": "x"}, 400),
        (number(1), "", {"Origin": "http://evil.example"}, 403),
    ],
)
def test_what_is_wrong_with_the_handshake_is_answered_without_an_upgrade(
    site: Site, id_: str, query: str, headers: dict[str, str], status: int
) -> None:
    site.task()
    answer = refused(site, id_, query, **headers)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert site.board.watched == 0


def test_only_json_is_spoken(site: Site) -> None:
    id_ = site.task()
    with ask(site, id_, Sec_WebSocket_Protocol="dragoman.json") as wire:
        assert wire.head()[1]["sec-websocket-protocol"] == "dragoman.json"
    assert refused(site, id_, Sec_WebSocket_Protocol="dragoman.msgpack").status == 400


def test_a_client_that_leaves_leaves_nothing_behind(site: Site) -> None:
    id_ = site.task()
    with follow(site, id_) as talk:
        talk.heard()
        assert site.ledger.following == 1
    assert site.settled(lambda: site.board.watched == 0 and site.ledger.following == 0)
    with follow(site, id_) as talk:
        talk.heard()
        talk.close()
        assert talk.wire.file.read() == b"\x88\x02\x03\xe8", "a close is answered"
    assert site.settled(lambda: site.board.watched == 0 and site.noted.counts.connections == 0)


def test_a_client_that_talks_too_much_is_cut_off(site: Site) -> None:
    with follow(site, site.task()) as talk:
        talk.heard()
        talk.send("x" * (MESSAGE_BYTES_MAX + 1))
        assert talk.closed() == 1009
    assert site.settled(lambda: site.board.watched == 0)


def test_a_client_that_reads_nothing_is_sent_no_more_than_it_takes(site: Site) -> None:
    id_ = site.task(state="RUNNING")
    with follow(site, id_) as talk:
        talk.heard()
        for _ in range(60):
            site.do(lambda: site.ledger.log(id_, *["x" * 1000] * 500))
        (connection,) = site.server.connections
        assert site.settled(lambda: connection.unread_s(site.lane.now()) > 0)
        assert connection.transport.get_write_buffer_size() < 1024 * 1024
        site.do(lambda: site.ledger.finish(id_))
        kinds: list[str] = []
        while (event := talk.heard())[1:] != ("state", "SUCCEEDED"):
            kinds.append(event[1])
        assert kinds.count("log") == 60 * 500
        assert talk.closed() == 1000


def test_a_host_that_stops_says_so(site: Site) -> None:
    with follow(site, site.task()) as talk:
        talk.heard()
        done = site.drain()
        assert talk.closed() == 1001
        talk.close()
        assert done.result(10)
        assert refused(site, number(1)).status == 503


def test_another_upgrade_is_answered_as_if_it_were_none(site: Site) -> None:
    id_ = site.task()
    site.do(lambda: site.ledger.finish(id_))
    assert site.ask("GET", f"/v1/tasks/{id_}/events", Connection="Upgrade", Upgrade="h2c").status == 200
    assert site.ask("GET", f"/v1/tasks/{id_}", Connection="Upgrade", Upgrade="websocket").status == 200


def test_the_task_of_a_handshake() -> None:
    target = f"/v1/tasks/{number(5)}/events?after=3".encode()
    assert asked(target, [(b"last-event-id", b"9")]) == (number(5), 9)
    for wrong in (b"/v1/tasks//events", b"/v1/tasks/a/b/events", b"/v1/tasks/%ff/events"):
        with pytest.raises(Refusal):
            asked(wrong, [])
