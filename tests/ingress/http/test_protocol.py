"""Bytes in, requests out: framing, order, limits, and heads that are looked up."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from dragoman.ingress.http.protocol import Phase

from .site import Site, Wire, post

BODY = b'{"a":1,"b":2}'
GARBAGE = [
    b"\x00\x01\x02\r\n\r\n",
    b"POST\r\n\r\n",
    b"POST /v1/call/fn.add HTTP/9.9\r\n\r\n",
    b"POST /v1/call/fn.add HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/call/fn.add HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST /v1/call/fn.add HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/call/fn.add HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"POST /v1/call/fn.add HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    b"POST /v1/call/fn.add HTTP/1.1\r\nBad Header: x\r\n\r\n",
    b"POST /v1/call/fn.add HTTP/1.1\r\n folded: x\r\n\r\n",
    b"POST /v1/call/fn.\xff HTTP/1.1\r\n\r\n",
    b"POST /v1/call/fn.add HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    b"POST /v1/call/fn.add HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 200,
]


@pytest.mark.parametrize("data", GARBAGE)
def test_what_is_no_http_is_answered_with_400_and_hung_up_on(site: Site, data: bytes) -> None:
    with site.connect() as wire:
        wire.send(data)
        answer = wire.response()
        assert (answer.status, answer.json["code"], answer.json["started"]) == (400, "INVALID_ARGUMENT", "no")
        assert wire.at_end()
    assert site.noted.counts.refusals == {"malformed": 1}
    assert not site.calls


def test_garbage_behind_a_call_does_not_take_the_answer_from_it(site: Site) -> None:
    with site.connect() as wire:
        wire.send(post("fn.add", BODY) + b"garbage garbage\r\n\r\n")
        assert wire.response().body == b"3"
        assert wire.response().status == 400
        assert wire.at_end()


def test_answers_come_in_the_order_of_their_requests_whichever_way_they_take(site: Site) -> None:
    live = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with site.connect() as wire:
        wire.send(post("fn.held") + live + post("fn.add", BODY) + live + live + post("fn.nope"))
        site.held.wait()
        site.answer(b'"first"')
        bodies = [wire.response().body for _ in range(5)]
        assert bodies == [b'"first"', b'{"live":true}', b"3", b'{"live":true}', b'{"live":true}']
        assert wire.response().status == 404


def test_many_refusals_waiting_in_line_are_answered_one_after_the_other(site: Site) -> None:
    with site.connect() as wire:
        wire.send(post("fn.held") + b"POST /v1/call/x HTTP/1.1\r\nHost: x\r\n\r\n" * 3000)
        site.held.wait()
        site.answer(b"0")
        assert wire.response().body == b"0"
        assert {wire.response().status for _ in range(3000)} == {404}
        assert not site.noted.faults


def test_a_head_that_comes_again_is_not_parsed_again(site: Site) -> None:
    with site.connect() as wire:
        for number in range(5):
            wire.post("fn.add", b'{"a":%d,"b":2}' % number)
            assert wire.response().body == b"%d" % (number + 2)
    assert len(site.lane.heads) == 1
    with site.connect() as wire:
        wire.post("fn.add", BODY)
        assert wire.response().body == b"3"
        (connection,) = site.server.connections
        assert not connection.headers, "the parser was not asked"


@pytest.mark.parametrize(
    "line",
    [b"Traceparent: 00-0-0-0", b"Authorization: Bearer x", b"Cookie: x=y", b"X-Api-Key: x", b"Expect: 100-continue"],
)
def test_heads_with_secrets_or_with_what_differs_every_time_are_not_kept(site: Site, line: bytes) -> None:
    with site.connect() as wire:
        wire.post("fn.add", BODY, line)
        while wire.head()[0] == 100:
            pass
    assert not site.lane.heads


@pytest.mark.parametrize("cut", [1, 20, 90, 100, 110])
def test_a_request_may_come_in_any_pieces_whether_its_head_is_known_or_not(site: Site, cut: int) -> None:
    data = post("fn.add", BODY)
    with site.connect() as wire:
        for _ in range(3):
            wire.send(data[:cut])
            site.do(lambda: None)
            wire.send(data[cut:])
            assert wire.response().body == b"3"
        wire.send(data + data + data[:cut])
        assert [wire.response().body, wire.response().body] == [b"3", b"3"]
        wire.send(data[cut:])
        assert wire.response().body == b"3"


@pytest.mark.parametrize("size", [1, 300, 65_000, 66_000, 100_000, 500_000])
def test_a_body_behind_a_known_head_ends_where_its_length_says(site: Site, size: int) -> None:
    body = (bytes(range(256)) * 2000)[:size]
    data = post("fn.echo", body, b"Content-Type: application/octet-stream")
    with site.connect() as wire:
        for _ in range(3):
            wire.send(data + data)
            assert wire.response().body == body
            assert wire.response().body == body
            wire.send(data)
            assert wire.response().body == body
    assert site.settled(lambda: site.lane.held_bytes == 0)


def test_a_known_head_is_forgotten_when_the_functions_change(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.add", BODY)
        assert wire.response().status == 200
        site.do(lambda: site.doors.replace({}))
        wire.post("fn.add", BODY)
        assert wire.response().status == 404


def test_chunked_bodies_are_joined_and_their_trailers_ignored(site: Site) -> None:
    head = b"POST /v1/call/fn.add HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with site.connect() as wire:
        for _ in range(2):
            wire.send(head + b'7\r\n{"a":1,\r\n6\r\n"b":2}\r\n0\r\nDragoman-Timeout: soon\r\nX: y\r\n\r\n')
            assert wire.response().body == b"3"
        wire.post("fn.add", BODY)
        assert wire.response().body == b"3"


def test_an_offer_to_upgrade_is_declined_by_answering_as_usual(site: Site) -> None:
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    with site.connect() as wire:
        for _ in range(2):
            wire.post("fn.add", BODY, *offer)
            assert wire.response().body == b"3"
        wire.send(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
        assert wire.response().json == {"live": True}
        wire.post("fn.add", BODY)
        assert wire.response().body == b"3"


def test_an_upgraded_body_may_be_large_and_come_late(site: Site) -> None:
    body = b"x" * 300_000
    data = post("fn.echo", body, b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Type: application/octet-stream")
    with site.connect() as wire:
        wire.send(data[:200])
        site.do(lambda: None)
        wire.send(data[200:])
        assert wire.response().body == body


def test_a_websocket_of_no_function_is_refused_as_any_request(site: Site) -> None:
    with site.connect() as wire:
        wire.send(
            b"GET /v1/call/fn.none HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert wire.response().status == 404
        assert wire.at_end()
    assert not site.calls


def test_connect_is_refused(site: Site) -> None:
    with site.connect() as wire:
        wire.send(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")
        assert wire.response().status == 405
        assert wire.at_end()


def test_a_target_in_absolute_form_reaches_the_function(site: Site) -> None:
    data = post("fn.add", BODY)
    with site.connect() as wire:
        wire.send(data.replace(b"POST /", b"POST http://localhost/", 1))
        assert wire.response().body == b"3"
        wire.send(b"GET http://localhost/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.response().json == {"live": True}


def test_one_connection_may_ask_to_be_closed(site: Site) -> None:
    with site.connect() as wire:
        wire.send(post("fn.add", BODY, b"Connection: close") + post("fn.add", BODY))
        answer = wire.response()
        assert (answer.body, answer.headers["connection"]) == (b"3", "close")
        assert wire.at_end()
    assert len(site.calls) == 1, "what comes behind the last request is not read"


def test_http_1_0_is_answered_and_closed(site: Site) -> None:
    with site.connect() as wire:
        wire.send(b"POST /v1/call/fn.add HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        wire.send(BODY)
        assert wire.response().body == b"3"
        assert wire.at_end()


def test_a_client_that_asks_first_is_told_to_go_on(site: Site) -> None:
    with site.connect() as wire:
        wire.send(post("fn.add", BODY, b"Expect: 100-continue")[: -len(BODY)])
        assert wire.head()[0] == 100
        wire.send(BODY)
        assert wire.response().body == b"3"


def test_a_client_that_asks_first_behind_another_call_is_told_when_its_turn_has_come(site: Site) -> None:
    with site.connect() as wire:
        wire.send(post("fn.held") + post("fn.add", BODY, b"Expect: 100-continue")[: -len(BODY)])
        site.held.wait()
        site.answer(b"0")
        assert wire.response().body == b"0"
        assert wire.head()[0] == 100
        wire.send(BODY)
        assert wire.response().body == b"3"


@pytest.mark.parametrize("line", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_a_client_that_asks_first_for_nothing_that_is_there_is_refused_before_it_sends(site: Site, line: bytes) -> None:
    with site.connect() as wire:
        wire.send(b"POST /v1/call/fn.nope HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n%b\r\n\r\n" % line)
        assert wire.response().status == 404
        assert wire.at_end()


def test_too_large_a_body_is_refused_by_its_declared_length() -> None:
    with Site(body_bytes_max=1000) as site, site.connect() as wire:
        wire.send(b"POST /v1/call/fn.echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n")
        answer = wire.response()
        assert (answer.status, answer.json["title"]) == (413, HTTPStatus(413).phrase)
        assert answer.headers["connection"] == "close"
        assert wire.at_end()


@pytest.mark.parametrize("path", [b"/v1/call/fn.echo", b"/v1/call/fn.nope", b"/docs"])
def test_too_large_a_body_is_refused_as_soon_as_its_chunks_are(path: bytes) -> None:
    with Site(body_bytes_max=1000) as site, site.connect() as wire:
        wire.send(b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % path)
        wire.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        statuses = [wire.response().status]
        if path == b"/docs":  # answered before its body has come
            statuses.append(wire.response().status)
        assert statuses[-1] == 413
        assert wire.at_end()
        assert not site.calls


def test_a_client_still_sending_when_it_is_refused_gets_to_read_why() -> None:
    with Site(body_bytes_max=1000) as site, site.connect() as wire:
        wire.send(b"POST /v1/call/fn.echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n")
        wire.send(b"x" * 20_000_000)
        assert wire.response().status == 413


def test_too_large_a_head_is_refused(site: Site) -> None:
    filler = b"X: " + b"a" * 70_000 + b"\r\n\r\n"
    for head in (
        b"POST /v1/call/fn.add HTTP/1.1\r\n",
        b"GET /docs HTTP/1.1\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n",
    ):
        with site.connect() as wire:
            wire.send(head + filler)
            assert wire.response().status == 431
            assert wire.at_end()


def test_a_head_that_grows_in_pieces_is_refused_at_the_limit() -> None:
    with Site(header_bytes_max=2000) as site, site.connect() as wire:
        wire.send(b"POST /v1/call/fn.add HTTP/1.1\r\n")
        for _ in range(3):
            wire.send(b"X: " + b"a" * 700 + b"\r\n")
            site.do(lambda: None)
        assert wire.response().status == 431


def test_a_large_body_does_not_count_as_head() -> None:
    with Site(header_bytes_max=2000) as site, site.connect() as wire:
        wire.send(post("fn.echo", b"x" * 50_000, b"Content-Type: application/octet-stream"))
        assert wire.response().status == 200


def test_one_connection_too_many_is_refused() -> None:
    with Site(connections_max=1) as site, site.connect() as first:
        first.post("fn.add", BODY)
        assert first.response().status == 200
        with site.connect() as second:
            assert second.response().status == 503
            assert second.at_end()
        first.post("fn.add", BODY)
        assert first.response().status == 200
        assert site.settled(lambda: site.noted.counts.connections == 1)


def test_large_bodies_of_all_connections_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with Site(body_bytes_max=1_000_000) as site:
        site.lane.held_bytes_max = 1_500_000
        data = post("fn.held", b"x" * 1_000_000)
        with site.connect() as first, site.connect() as second:
            first.send(data)
            site.held.wait()
            second.send(data)
            assert second.response().status == 429
            site.answer()
            assert first.response().status == 200
        assert site.settled(lambda: site.lane.held_bytes == 0)


def test_a_half_sent_body_is_let_go_of_with_its_connection(site: Site) -> None:
    with site.connect() as wire:
        wire.send(post("fn.held", b"x" * 1_000_000)[:500_000])
        assert site.settled(lambda: site.lane.held_bytes > 0)
    assert site.settled(lambda: site.lane.held_bytes == 0)


def test_connections_are_counted(site: Site) -> None:
    with site.connect() as one, site.connect() as two:
        for wire in (one, two):
            wire.post("fn.add", BODY)
            wire.response()
        assert site.noted.counts.connections == 2
    assert site.settled(lambda: site.noted.counts.connections == 0)


def test_a_page_with_a_name_of_its_own_is_turned_away(site: Site) -> None:
    evil = f"evil.example:{site.port}"
    assert site.ask("GET", "/v1/call/fn.add?a=1&b=2", Host=evil).status == 403
    assert site.ask("GET", "/v1/functions", Host=evil).status == 403
    assert site.call("fn.add", BODY, Host=evil, Origin=f"http://{evil}").status == 403
    assert site.call("fn.add", BODY, Host=f"localhost:{site.port}", Origin="http://localhost:3000").status == 200
    assert len(site.calls) == 1


def test_a_connection_is_idle_between_requests(site: Site) -> None:
    with site.connect() as wire:
        wire.post("fn.add", BODY)
        wire.response()
        (connection,) = site.server.connections
        assert connection.idle
        wire.send(post("fn.add", BODY)[:-1])
        assert site.settled(lambda: connection.phase is Phase.BODY)


def test_a_wire_may_be_closed_at_any_time(site: Site) -> None:
    data = post("fn.add", BODY)
    for cut in range(0, len(data), 7):
        wire: Wire = site.connect()
        wire.send(data[:cut])
        wire.close()
    assert site.settled(lambda: site.noted.counts.connections == 0)
    assert site.in_flight == 0


def test_an_upgrade_behind_a_call_is_refused_when_the_call_has_been_answered(site: Site) -> None:
    upgrade = (
        b"GET /v1/call/fn.held HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with site.connect() as wire:
        wire.send(post("fn.held") + upgrade)
        site.held.wait()
        site.answer(b"7")
        assert wire.response().body == b"7"
        refused = wire.response()
        assert (refused.status, refused.json["code"]) == (400, "INVALID_ARGUMENT")
        assert "cannot be upgraded" in refused.json["detail"]
        assert wire.at_end()
    assert site.in_flight == 0
