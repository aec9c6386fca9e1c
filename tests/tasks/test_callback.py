from __future__ import annotations

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.tasks.callback import CallbackError, Outlet, Url, dump, load, parse


def test_a_url_is_taken_apart() -> None:
    assert parse("https://Shop.Example/hooks?for=reports") == Url("https", "shop.example", 443, "/hooks?for=reports")
    assert parse("http://shop.example:8080") == Url("http", "shop.example", 8080, "/")
    assert parse("HTTP://[2001:DB8::1]:80/") == Url("http", "2001:db8::1", 80, "/")
    assert str(parse("http://[2001:db8::1]:81/a%20b?c")) == "http://[2001:db8::1]:81/a%20b?c"
    assert parse("https://shop.example:443/x").origin == "https://shop.example"


def test_a_queue_is_named() -> None:
    assert parse("queue:results") == Outlet("results")
    assert str(parse("queue:results")) == "queue:results"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected a URL such as"),
        ("shop.example/hooks", "expected a URL such as"),
        ("ftp://shop.example/", "begins with 'ftp:'"),
        ("file:///etc/passwd", "begins with 'file:'"),
        ("gopher://127.0.0.1:6379/_", "begins with 'gopher:'"),
        ("javascript:alert(1)", "begins with 'javascript:'"),
        ("https://me:s3cret@shop.example/", "must not hold a user"),
        ("https://shop.example@evil.example/", "must not hold a user"),
        ("https://shop.example/#x", "fragment"),
        ("https://shop.example\\@evil.example/", "must not hold a user"),
        ("https://shop.example\\evil", "expected a URL"),
        ("https:///hooks", "expected a URL"),
        ("https://?x", "expected a URL"),
        ("https://shop.example:99999/", "no port 99999"),
        ("https://shop.example:0/", "no port 0"),
        ("https://shop.example:/x", "expected a URL"),
        ("https://shop.example/a b", "expected a URL"),
        ("https://shop.example/\r\nx-evil: 1", "expected a URL"),
        ("https://shop.example/%zz", "expected a URL"),
        ("https://shöp.example/", "xn--"),
        ("https://127。0。0。1/", "xn--"),
        ("https://[::1%eth0]/", "expected a URL"),
        ("https://%31%32%37.0.0.1/", "expected a URL"),
        ("https://a..b" + "c" * 300 + "/", "expected a URL"),
        ("https://shop.example/" + "x" * 2000, "at most 2000"),
        ("queue:", "no name of a queue"),
        ("queue:a/b", "no name of a queue"),
    ],
)
def test_what_is_no_callback_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(CallbackError) as raised:
        parse(text)
    assert why in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_it_is_stored_and_read_back() -> None:
    for text in ("https://shop.example/hooks?x=1", "queue:results"):
        assert load(dump(parse(text))) == parse(text)
    assert load(b'"queue:results"') == Outlet("results")
    marked = Outlet("results", "order 17")
    assert load(dump(marked)) == marked
    for wrong in (b'{"queue":"results","correlation_id":1}', b'{"queue":"a b","correlation_id":"x"}'):
        with pytest.raises(CallbackError):
            load(wrong)


@pytest.mark.parametrize(
    "stored",
    [b"", b"{", b"1", b"null", b"[]", b"{}", b'{"url":1}', b'{"url":"https://a.b/","queue":"q"}', b'{"queue":"a b"}'],
)
def test_what_was_never_stored_is_refused(stored: bytes) -> None:
    with pytest.raises(CallbackError):
        load(stored)


PIECES = st.sampled_from(
    [
        *("http://", "https://", "HTTP:", "//", "a.example", "127.0.0.1", "[::1]", "@", ":", "80", "/", "\\", "?", "#"),
        *("%41", ".", "..", " ", "\t", "\n", "\0", "é", "。", "%", "queue:", "x", "user:pw@", "[", "]", "0x7f.1", ";"),
    ]
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=60))
def test_any_text_is_a_callback_or_refused_and_means_the_same_host_to_the_client(text: str) -> None:
    try:
        read = parse(text)
    except CallbackError:
        return
    assert parse(str(read)) == read
    if isinstance(read, Url):
        other = httpx2.URL(str(read))
        assert other.host.strip("[]") == read.host
        assert (other.scheme, other.port or {"http": 80, "https": 443}[read.scheme]) == (read.scheme, read.port)
        assert other.userinfo == b""


@given(st.binary(max_size=80))
def test_any_bytes_are_a_stored_callback_or_refused(stored: bytes) -> None:
    try:
        read = load(stored)
    except CallbackError:
        return
    assert load(dump(read)) == read
