"""A call knows who makes it: the address of its connection, or what a header says."""

from __future__ import annotations

import pytest

from dragoman.ingress.http.caller import CALLER_BYTES_MAX, caller_in

from .site import Site


def callers(site: Site) -> list[str]:
    return [call.caller for call in site.calls]


def test_the_header_is_taken_as_it_is_and_several_count_together() -> None:
    headers = [(b"x-user", b"ann"), (b"host", b"h"), (b"x-user", b"bob")]
    assert caller_in(headers, b"x-user") == "ann, bob"
    assert caller_in(headers, b"x-team") == ""
    assert caller_in([(b"x-user", b"\xe9")], b"x-user") == "\xe9"


def test_secrets_and_what_is_long_are_known_by_their_digests() -> None:
    secret = caller_in([(b"authorization", b"Bearer abc")], b"authorization")
    assert (len(secret), "abc" in secret) == (32, False)
    long = [caller_in([(b"x-user", b"a" * CALLER_BYTES_MAX + end)], b"x-user") for end in (b"1", b"2", b"")]
    assert len({*long, secret}) == 4
    assert [len(each) for each in long] == [32, 32, CALLER_BYTES_MAX]
    assert caller_in([], b"authorization") == ""


def test_the_address_of_the_connection_is_the_caller(site: Site) -> None:
    site.call("fn.add", b'{"a":1,"b":2}', X_User="ann")
    with site.connect() as wire:
        for _ in range(2):
            wire.post("fn.held")
            site.held.wait()
            site.answer()
            wire.response()
    assert callers(site) == ["127.0.0.1"] * 3


@pytest.mark.parametrize("header", ["X-User", "x-forwarded-for"])
def test_a_header_may_name_it_and_heads_that_are_remembered_keep_theirs_apart(header: str) -> None:
    with Site(caller_header=header) as site, site.connect() as wire:
        for caller in (b"ann", b"bob", b"ann", b"", b"bob"):
            wire.post("fn.echo", b"{}", *([b"%b: %b" % (header.encode(), caller)] if caller else []))
            assert wire.response().status == 200
        assert len(site.lane.heads) == 3
        assert callers(site) == ["ann", "bob", "ann", "127.0.0.1", "bob"]


def test_a_secret_that_names_callers_is_not_kept() -> None:
    with Site(caller_header="X-API-Key") as site, site.connect() as wire:
        for key in (b"one", b"two", b"one"):
            wire.post("fn.echo", b"{}", b"x-api-key: " + key)
            assert wire.response().status == 200
        first, second, third = callers(site)
        assert first == third != second
        assert "one" not in first
        assert not site.lane.heads


@pytest.mark.parametrize(("header", "caller"), [("", "127.0.0.1"), ("X-User", "ann")])
def test_websockets_have_callers_too(header: str, caller: str) -> None:
    with Site(caller_header=header) as site, site.connect() as wire:
        wire.send(
            b"GET /v1/call/fn.held HTTP/1.1\r\nHost: localhost\r\nX-User: ann\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert site.held.wait().caller == caller
