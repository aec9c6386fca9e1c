"""Clients that are slow, silent or do not read are let go of, by one look at each connection."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.ingress.http import sweep

from .site import Items, Site, Wire, post

BODY = b'{"a":1,"b":2}'
LIMITS = {"header_timeout_s": 5, "body_timeout_s": 10, "keep_alive_s": 20, "write_timeout_s": 30}


def connection(site: Site) -> Any:
    assert site.settled(lambda: len(site.server.connections) == 1)
    (found,) = site.server.connections
    return found


def look(site: Site, later_s: float) -> None:
    """Look at all connections as if it were later."""
    now = site.lane.now() + later_s
    site.do(lambda: [sweep.look_at(each, site.lane, now) for each in site.server.connections])


def sent(site: Site, wire: Wire, data: bytes, phase: str) -> None:
    wire.send(data)
    assert site.settled(lambda: connection(site).phase.name == phase)


@pytest.mark.parametrize(
    ("data", "phase", "limit_s"),
    [
        (b"POST /v1/call/fn.add HT", "HEAD", 5),
        (b"GET /docs HTTP/1.1\r\nX: y", "HEAD", 5),
        (post("fn.add", BODY)[:-1], "BODY", 10),
        (b"POST /v1/call/fn.add HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "BODY", 10),
    ],
)
def test_a_request_that_comes_too_slowly_is_answered_with_408(data: bytes, phase: str, limit_s: float) -> None:
    with Site(**LIMITS) as site, site.connect() as wire:
        sent(site, wire, data, phase)
        look(site, limit_s - 1)
        assert connection(site).phase.name == phase
        look(site, limit_s + 1)
        answer = wire.response()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert answer.json["started"] == "no"
        assert wire.at_end()
        assert site.noted.counts.refusals == {"slow": 1}


def test_a_slow_body_behind_a_known_head_is_no_exception() -> None:
    with Site(**LIMITS) as site, site.connect() as wire:
        wire.post("fn.add", BODY)
        wire.response()
        sent(site, wire, post("fn.add", BODY)[:-1], "BODY")
        look(site, 11)
        assert wire.response().status == 408


def test_a_half_sent_request_behind_another_is_not_taken_for_silence() -> None:
    with Site(**LIMITS) as site, site.connect() as wire:
        sent(site, wire, post("fn.add", BODY) + b"POST /v1/call/fn.a", "HEAD")
        assert wire.response().status == 200
        look(site, 6)
        assert wire.response().status == 408


@pytest.mark.parametrize("data", [b"", post("fn.add", BODY), b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_an_idle_connection_is_closed(data: bytes) -> None:
    with Site(**LIMITS) as site, site.connect() as wire:
        if data:
            wire.send(data)
            assert wire.response().status == 200
        found = connection(site)
        look(site, 19)
        assert not found.transport.is_closing()
        look(site, 21)
        assert wire.at_end()


def test_a_call_may_take_longer_than_connections_are_kept_idle() -> None:
    with Site(**LIMITS) as site, site.connect() as wire:
        wire.post("fn.held")
        site.held.wait()
        look(site, 100)
        site.answer(b"1")
        assert wire.response().body == b"1"
        assert not connection(site).transport.is_closing()


def test_a_client_that_leaves_a_stream_unread_is_cut_off() -> None:
    with Site(**LIMITS) as site, site.connect() as wire:
        site.items = Items([b"x" * 100_000] * 500)
        wire.post("fn.stream")
        site.allow(500)
        found = connection(site)
        assert site.settled(lambda: found.flow.write_paused)
        look(site, 29)
        assert not found.transport.is_closing()
        look(site, 31)
        assert site.items.closed.wait(10)
        assert site.settled(lambda: site.in_flight == 0)


def test_a_client_that_sends_on_after_its_refusal_is_cut_off() -> None:
    with Site(**LIMITS, body_bytes_max=10) as site, site.connect() as wire:
        sent(site, wire, b"POST /v1/call/fn.add HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "DEAF")
        assert wire.response().status == 413
        found = connection(site)
        look(site, sweep.LINGER_S - 1)
        assert not found.transport.is_closing()
        look(site, sweep.LINGER_S + 1)
        assert site.settled(lambda: not site.server.connections)


def test_the_server_looks_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.ingress.http.server.TICK_S", 0.01)
    with Site(keep_alive_s=0.05) as site, site.connect() as wire:
        assert wire.at_end()
        del site
