"""What callers say of their calls in headers of their own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.client.connecting import connect
from dragoman.client.marks import Marks
from dragoman.core.call import Priority
from dragoman.ingress.http.marks import read_key, read_priority
from dragoman.wire.meta import IDEMPOTENCY_KEY_BYTES_MAX as KEY_CHARS_MAX

from .site import Site

BODY = b'{"a":1,"b":2}'
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=KEY_CHARS_MAX)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'"8e03978e-40d5-43e8-bc93-6894a57f9324"', "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (b"8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (b' "a b" ;v=1', "a b"),
        (b'"a\\"b\\\\c"', 'a"b\\c'),
        (b"x" * KEY_CHARS_MAX, "x" * KEY_CHARS_MAX),
    ],
)
def test_a_key_is_quoted_or_bare(value: bytes, key: str) -> None:
    assert read_key(value) == key


@pytest.mark.parametrize(
    "value", [b"", b'""', b"  ", b'"open', b'"a\\n"', b'"a"b', b"\xc3\xa9", b"a\tb", b"x" * (KEY_CHARS_MAX + 1)]
)
def test_what_is_no_key_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="Idempotency-Key: expected"):
        read_key(value)


@given(PRINTABLE)
def test_what_our_client_writes_is_read(key: str) -> None:
    assert read_key(Marks(None, key).headers()["idempotency-key"].encode()) == key


@given(st.binary(max_size=300))
def test_any_bytes_are_a_key_or_refused(value: bytes) -> None:
    try:
        key = read_key(value)
    except ValueError:
        return
    assert 0 < len(key) <= KEY_CHARS_MAX
    assert key.isascii()
    assert key.isprintable()


def test_priorities_are_words() -> None:
    assert [read_priority(word) for word in (b"critical", b" Normal ", b"BATCH")] == list(Priority)
    with pytest.raises(ValueError, match="expected critical, normal or batch"):
        read_priority(b"high")


def test_a_call_has_what_its_headers_say(site: Site) -> None:
    site.call("fn.add", BODY, **{"dragoman-priority": "batch", "idempotency-key": '"k-1"'})
    site.call("fn.add", BODY, **{"dragoman-priority": "critical"})
    site.call("fn.add", BODY, **{"idempotency-key": "k-2"})
    site.call("fn.add", BODY)
    said = [(call.priority, call.idempotency_key) for call in site.calls]
    assert said == [
        (Priority.BATCH, "k-1"),
        (Priority.CRITICAL, ""),
        (Priority.NORMAL, "k-2"),
        (Priority.NORMAL, ""),
    ]


@pytest.mark.parametrize("headers", [{"dragoman-priority": "high"}, {"idempotency-key": '""'}])
def test_what_cannot_be_read_is_refused_with_400(site: Site, headers: dict[str, str]) -> None:
    answer = site.call("fn.add", BODY, **headers)
    assert answer.status == 400
    assert answer.json["code"] == "INVALID_ARGUMENT"
    assert not site.calls


def test_a_key_is_not_remembered_with_its_head(site: Site) -> None:
    for number in range(3):
        site.call("fn.add", BODY, **{"idempotency-key": f"k-{number}"})
    assert not site.lane.heads
    for _ in range(3):
        site.call("fn.add", BODY, **{"dragoman-priority": "batch"})
    assert [call.priority for call in site.calls[3:]] == [Priority.BATCH] * 3


def test_our_client_says_both(site: Site) -> None:
    with connect(f"http://127.0.0.1:{site.port}") as remote:
        remote.call("fn.echo", b"12", priority="batch", idempotency_key='k "1"')
    (call,) = site.calls
    assert (call.priority, call.idempotency_key) == (Priority.BATCH, 'k "1"')
