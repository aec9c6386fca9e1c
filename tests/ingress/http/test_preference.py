"""The Prefer header is read as RFC 7240 has it, and nonsense in it is passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ingress.http.preference import PREFERENCES_MAX, preferences

TOKENS = st.from_regex(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}", fullmatch=True)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"respond-async", {"respond-async": ""}),
        (b"respond-async, wait=10", {"respond-async": "", "wait": "10"}),
        (b"Respond-Async ,WAIT = 10", {"respond-async": "", "wait": "10"}),
        (b'handling=lenient; strictly="a,b", wait="5"', {"handling": "lenient", "wait": "5"}),
        (b"wait=1, wait=2", {"wait": "1"}),
        (b'foo; foo="", respond-async ; x = y', {"foo": "", "respond-async": ""}),
        (rb'say="a \"quoted\", word"', {"say": 'a "quoted", word'}),
        (b",, ,respond-async,", {"respond-async": ""}),
        (b"", {}),
        (b"=5, (x), respond-async=, a b, wait=7", {"respond-async": "", "wait": "7"}),
        (b'open="never closed, respond-async', {}),
        (b"respond-asynchronously, norespond-async", {"respond-asynchronously": "", "norespond-async": ""}),
    ],
)
def test_what_a_header_says(value: bytes, found: dict[str, str]) -> None:
    assert preferences(value) == found


def test_only_so_many_are_read() -> None:
    assert preferences(b",".join(b"p%d" % number for number in range(1000))).keys() == {
        f"p{number}" for number in range(PREFERENCES_MAX)
    }


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_passed_over(value: bytes) -> None:
    for name, said in preferences(value).items():
        assert name == name.lower()
        assert name.isascii()
        assert len(said) <= len(value)


@given(st.dictionaries(TOKENS, st.binary(max_size=20).filter(lambda text: b"\0" not in text), max_size=5))
def test_what_is_written_is_read_again(said: dict[bytes, bytes]) -> None:
    said = {name: text for name, text in said.items() if list(map(bytes.lower, said)).count(name.lower()) == 1}
    quoted = {name: text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for name, text in said.items()}
    header = b" , ".join(b'%b="%b"; and=so' % pair for pair in quoted.items())
    assert preferences(header) == {name.lower().decode(): text.decode("latin-1") for name, text in said.items()}


def test_a_long_header_of_quotes_is_read_in_no_time() -> None:
    assert preferences(b'"\\' * 30_000) == {}
    assert preferences(b"a=" + b'"' * 60_000) == {}
