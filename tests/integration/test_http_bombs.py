"""Bodies made to break parsers: each gets a 4xx, and the worker goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.web import Web, serving

MSGPACK = "application/msgpack"
MB = 1024 * 1024

JSON_BOMBS = {
    "deep arrays": b'{"value":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"value":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "16 MB of openings": b"[" * (16 * MB),
    "16 MB of opened objects": b'{"a":' * (3 * MB),
    "nothing but quotes": b'"' * MB,
    "an endless string": b'{"value":"' + b"x" * (15 * MB),
    "an endless escape": b'{"value":"\\',
    "a lone surrogate": b'{"value":"\\ud800"}',
    "a lone low surrogate": b'{"value":"\\udc00\\ud800"}',
    "invalid UTF-8": b'{"value":"\xff\xfe"}',
    "an overlong form": b'{"value":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"value":"\xed\xa0\x80"}',
    "a byte order mark": b'\xef\xbb\xbf{"value":1}',
    "UTF-16": '{"value":1}'.encode("utf-16"),
    "NaN": b'{"value":NaN}',
    "Infinity": b'{"value":-Infinity}',
    "1e400": b'{"value":1e400}',
    "a trailing comma": b'{"value":1,}',
    "a comment": b'{"value":1/**/}',
    "two values": b'{"value":1}{"value":1}',
    "a control character": b'{"value":"\x00"}',
    "an array": b"[1,2]",
    "a string": b'"value"',
    "a number": b"17",
    "null": b"null",
    "no key": b"{1:2}",
    "zeros": b"\x00" * 1000,
}
MSGPACK_BOMBS = {
    "deep arrays": b"\x81\xa5value" + b"\x91" * 100_000 + b"\xc0",
    "deep maps": b"\x81\xa5value" + b"\x81\xa1a" * 100_000 + b"\xc0",
    "an array that claims 4 billion items": b"\x81\xa5value\xdd\xff\xff\xff\xff",
    "a map that claims 4 billion keys": b"\xdf\xff\xff\xff\xff",
    "a text that claims 4 GB": b"\x81\xa5value\xdb\xff\xff\xff\xffx",
    "a reserved byte": b"\x81\xa5value\xc1",
    "invalid UTF-8": b"\x81\xa5value\xa2\xff\xfe",
    "cut off": b"\x81\xa5val",
    "two values": b"\x81\xa5value\x01\x01",
}


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as served:
        yield served


@pytest.mark.parametrize("name", JSON_BOMBS)
def test_json_that_is_none_or_too_much_is_refused(web: Web, name: str) -> None:
    worker = web.call("pid").json
    answer = web.post("anything", JSON_BOMBS[name], content_type="application/json")
    assert 400 <= answer.status < 500, answer.body[:500]
    assert answer.json["code"] == "INVALID_ARGUMENT"
    assert len(answer.body) < 4000
    assert web.call("pid").json == worker, "the worker has survived"


@pytest.mark.parametrize("name", MSGPACK_BOMBS)
def test_messagepack_that_is_none_or_too_much_is_refused(web: Web, name: str) -> None:
    worker = web.call("pid").json
    answer = web.post("anything", MSGPACK_BOMBS[name], content_type=MSGPACK)
    assert 400 <= answer.status < 500, answer.body[:500]
    assert web.call("pid").json == worker, "the worker has survived"


@pytest.mark.parametrize("number", [b"1e400", b"1.5", b"1" * 5000, b"-0.5", b"01", b"+1", b"0x10", b"1_000"])
def test_a_number_that_does_not_fit_is_a_breach(web: Web, number: bytes) -> None:
    answer = web.post("exactly", b'{"n":%b}' % number)
    assert answer.status == 400, answer.body[:500]


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 2**64 - 1])
def test_a_number_past_64_bits_is_exact_or_refused(web: Web, number: int) -> None:
    answer = web.post("exactly", b'{"n":%d}' % number)
    assert answer.status == 400 or answer.body == b"%d" % number


def test_a_key_that_comes_twice_does_no_harm(web: Web) -> None:
    assert web.post("exactly", b'{"n":1,"n":2}').status in {200, 400}


def test_a_huge_text_that_is_allowed_is_served(web: Web) -> None:
    body = b'{"value":"' + b"x" * (15 * MB) + b'"}'
    answer = web.post("text", body)
    assert answer.status == 200, answer.body[:500]
    assert len(answer.body) == 15 * MB + 2


def test_a_body_past_the_limit_is_refused(web: Web) -> None:
    assert web.post("text", b"x" * (16 * MB + 1)).status == 413


@pytest.mark.parametrize(
    "query", ["n=" + "1" * 5000, "n=1e400", "n=NaN", "n=%00", "n=%ff", "n=[[[[", "n", "", "=", "n=1&n=2"]
)
def test_a_query_that_does_not_fit_is_refused(web: Web, query: str) -> None:
    answer = web.ask("GET", f"/v1/call/web.exactly?{query}")
    assert answer.status == 400, answer.body[:500]
