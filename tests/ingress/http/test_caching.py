from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.call import Cached
from dragoman.ingress.http.caching import is_known, lines
from dragoman.ingress.http.head import Head
from dragoman.ingress.http.negotiation import Form

from .site import Site

KEPT = Cached(3.4, 6.6, "abc")
PATH = "/v1/call/fn.kept"


def head(asked: bytes, method: bytes = b"GET") -> Head:
    made = Head(method, b"/", keep_alive=True)
    made.if_none_match = asked
    return made


def test_an_answer_says_its_age_its_lifetime_and_its_tag(site: Site) -> None:
    for method, body in (("GET", None), ("POST", b"{}")):
        answer = site.ask(method, PATH, body)
        assert (answer.status, answer.body) == (200, b"[1]")
        assert answer.headers["age"] == "3"
        assert answer.headers["cache-control"] == "private, max-age=10"
        assert answer.headers["etag"] == '"abc"'
        assert answer.headers["vary"] == "accept"


def test_an_answer_that_was_computed_just_now_has_no_age(site: Site) -> None:
    site.cached = Cached(0.0, 30.0, "abc")
    answer = site.ask("GET", PATH)
    assert "age" not in answer.headers
    assert answer.headers["cache-control"] == "private, max-age=30"


def test_a_stale_answer_is_as_old_as_it_may_be() -> None:
    assert lines(Cached(12.5, 0.0, "abc"), Form.UNARY).startswith(b"age: 12\r\ncache-control: private, max-age=12\r\n")


@given(st.floats(0.0, 1e7), st.floats(0.0, 1.0), st.integers(2, 10**7), st.sampled_from([Form.UNARY, Form.LINES]))
def test_no_second_of_a_lifetime_is_lost_to_rounding(made_at: float, passed_s: float, ttl_s: int, form: Form) -> None:
    now = made_at + passed_s
    told = lines(Cached(now - made_at, made_at + ttl_s - now, "abc"), form)
    assert b"max-age=%d\r\n" % ttl_s in told


def test_an_answer_that_no_cache_keeps_says_nothing_of_it(site: Site) -> None:
    answer = site.call("fn.add", b'{"a":1,"b":2}')
    assert not {"age", "etag", "cache-control", "vary"} & answer.headers.keys()


def test_another_layout_has_another_tag(site: Site) -> None:
    assert site.ask("GET", PATH, accept="application/json").headers["etag"] == '"abc"'
    assert site.ask("GET", PATH, accept="application/jsonl").headers["etag"] != '"abc"'


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        (b'"abc"', True),
        (b'W/"abc"', True),
        (b'"x", "abc"', True),
        (b"*", True),
        (b'"ab"', False),
        (b"abc", False),
        (b'"abc-2"', False),
        (b",,", False),
        (b"", False),
    ],
)
def test_a_client_has_an_answer_if_it_names_its_tag(asked: bytes, *, known: bool) -> None:
    assert is_known(KEPT, head(asked), Form.UNARY) == known
    assert not is_known(KEPT, head(asked, b"POST"), Form.UNARY)


def test_a_client_that_has_the_answer_is_told_so_without_it(site: Site) -> None:
    with site.connect() as wire:
        for _ in range(2):
            wire.send(b'GET /v1/call/fn.kept HTTP/1.1\r\nhost: x\r\nif-none-match: "abc"\r\n\r\n')
            status, headers = wire.head()
            assert status == 304
            assert (headers["etag"], headers["age"], headers["cache-control"]) == ('"abc"', "3", "private, max-age=10")
            assert {"date", "vary", "dragoman-call-id"} <= headers.keys()
            assert not {"content-type", "content-length", "transfer-encoding"} & headers.keys()
        wire.send(b'GET /v1/call/fn.kept HTTP/1.1\r\nhost: x\r\nif-none-match: "b"\r\nconnection: close\r\n\r\n')
        assert wire.response().status == 200
    assert site.settled(lambda: site.in_flight == 0)


def test_a_connection_that_is_to_be_closed_is_closed_after_a_304(site: Site) -> None:
    with site.connect() as wire:
        wire.send(b"GET /v1/call/fn.kept HTTP/1.1\r\nhost: x\r\nif-none-match: *\r\nconnection: close\r\n\r\n")
        assert wire.head()[1]["connection"] == "close"
        assert wire.file.read() == b""


@pytest.mark.parametrize("value", ["no-cache", "no-store"])
def test_a_request_may_ask_for_an_answer_that_was_not_kept(site: Site, value: str) -> None:
    site.call("fn.kept", cache_control=value)
    site.call("fn.kept")
    assert [call.fresh for call in site.calls] == [True, False]
