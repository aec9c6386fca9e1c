"""Streams: each item leaves at once, no faster than it is read, and their ends can be told apart."""

from __future__ import annotations

import threading

import pytest

from dragoman.core.fault import Code, Fault, Unknown

from .site import Items, Site

LINES = "application/jsonl"
EVENTS = "text/event-stream"


def begin(site: Site, accept: str = LINES, version: str = "1.1") -> bytes:
    return (
        f"POST /v1/call/fn.stream HTTP/{version}\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def test_each_item_arrives_before_the_next_is_made(site: Site) -> None:
    with site.connect() as wire:
        wire.send(begin(site))
        status, headers = wire.head()
        assert (status, headers["content-type"], headers["transfer-encoding"]) == (200, LINES, "chunked")
        assert headers["dragoman-call-id"].startswith("c0ffee00")
        for expected in (b"1\n", b"2\n", b"3\n"):
            site.allow(1)
            assert wire.chunk() == expected
        site.allow(1)
        assert wire.chunk() == b""
        wire.post("fn.add", b'{"a":1,"b":2}')
        assert wire.response().body == b"3", "the connection lives on"
    assert site.in_flight == 0
    assert site.meters["fn.stream"].ok == 1


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        (LINES, b"1\n2\n3\n"),
        ("application/x-ndjson", b"1\n2\n3\n"),
        (EVENTS, b"data: 1\n\ndata: 2\n\ndata: 3\n\nevent: end\ndata:\n\n"),
        ("application/json", b"[1,2,3]"),
        ("application/msgpack", b"123"),
    ],
)
def test_a_stream_comes_in_the_form_that_was_asked_for(site: Site, accept: str, body: bytes) -> None:
    with site.connect() as wire:
        wire.send(begin(site, accept))
        site.allow(4)
        assert wire.response().body == body


def test_a_failure_in_mid_stream_is_told_and_the_body_breaks_off(site: Site) -> None:
    site.items = Items([b"1"], Fault.unknown("ValueError: no"))
    with site.connect() as wire:
        wire.send(begin(site))
        site.allow(2)
        wire.head()
        assert wire.chunk() == b"1\n"
        assert wire.chunk().startswith(b'{"problem":{"type":"about:blank","title":"Unknown","status":500')
        with pytest.raises(EOFError):
            wire.chunk()
    assert site.meters["fn.stream"].faults == {Code.UNKNOWN: 1}
    assert site.in_flight == 0


def test_a_failure_among_events_is_an_event(site: Site) -> None:
    site.items = Items([b"1"], Fault.unknown("ValueError: no"))
    with site.connect() as wire:
        wire.send(begin(site, EVENTS))
        site.allow(2)
        body = wire.response().body
        assert body.startswith(b'data: 1\n\nevent: fault\ndata: {"type"')
        assert body.endswith(b"}\n\n")


def check_leaving(site: Site) -> None:
    """A client that goes away closes the stream, and its call is counted as cancelled."""
    with site.connect() as wire:
        wire.send(begin(site))
        site.allow(1)
        wire.head()
        assert wire.chunk() == b"1\n"
    assert site.items.closed.wait(10)
    assert site.settled(lambda: site.in_flight == 0)
    assert site.meters["fn.stream"].faults == {Code.CANCELLED: 1}


def test_a_client_that_goes_away_closes_the_stream(site: Site) -> None:
    check_leaving(site)


def test_a_client_goes_away_from_a_stream_whose_clean_up_fails(site: Site) -> None:
    class Unclean(Items):
        async def aclose(self) -> None:
            await super().aclose()
            raise Unknown("ValueError: clean-up")

    site.items = Unclean([b"1"])
    check_leaving(site)


def test_an_error_inside_a_stream_ends_its_response(site: Site) -> None:
    class Broken(Items):
        async def __anext__(self) -> bytes:
            raise RuntimeError("broken")

    site.items = Broken([])
    with site.connect() as wire:
        wire.send(begin(site, EVENTS))
        assert b'"code":"INTERNAL"' in wire.response().body
    assert site.items.closed.is_set()
    assert site.in_flight == 0


def test_a_slow_reader_holds_the_stream_back(site: Site) -> None:
    item = b'"' + b"x" * 100_000 + b'"'
    site.items = items = Items([item] * 400)
    with site.connect() as wire:
        wire.send(begin(site))
        site.allow(401)
        wire.head()
        (connection,) = site.server.connections
        assert site.settled(lambda: connection.flow.write_paused)
        taken = items.taken
        assert taken < 200
        site.do(lambda: None)
        assert items.taken == taken
        reader = threading.Thread(target=lambda: [len(chunk) for chunk in wire.chunks()])
        reader.start()
        reader.join(20)
        assert items.taken == 400
    assert site.in_flight == 0


def test_http_1_0_gets_a_stream_that_ends_with_its_connection(site: Site) -> None:
    with site.connect() as wire:
        wire.send(begin(site, version="1.0"))
        site.allow(4)
        status, headers = wire.head()
        assert (status, headers["connection"]) == (200, "close")
        assert "transfer-encoding" not in headers
        assert wire.file.read() == b"1\n2\n3\n"


def test_http_1_0_can_tell_a_stream_that_broke_off_by_its_reset(site: Site) -> None:
    site.items = Items([b"1"], Fault.unknown("ValueError: no"))
    with site.connect() as wire:
        wire.send(begin(site, version="1.0"))
        wire.head()
        site.allow(2)
        with pytest.raises(ConnectionResetError):
            wire.file.read()


def test_a_stream_in_progress_ends_before_a_draining_server_closes(site: Site) -> None:
    with site.connect() as wire:
        wire.send(begin(site))
        site.allow(1)
        wire.head()
        assert wire.chunk() == b"1\n"
        drained = site.drain()
        site.allow(3)
        assert b"".join(wire.chunks()) == b"2\n3\n"
        assert wire.at_end()
        assert drained.result(10)
