"""JSON is read and written strictly, and big integers survive."""

from __future__ import annotations

import json as reference
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.codecs import json
from dragoman.contract.malformed import Malformed

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_reads_back_the_same(value: object) -> None:
    assert json.decode(json.encode(value)) == value


@given(VALUES)
def test_what_another_library_wrote_reads_back_the_same(value: object) -> None:
    assert json.decode(reference.dumps(value, indent=1).encode()) == value


@given(st.binary())
def test_arbitrary_bytes_are_a_value_or_malformed(body: bytes) -> None:
    with suppress(Malformed):
        json.decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"1e400",
        b"1 2",
        b"{}x",
        b"01",
        b"'a'",
        b'"\\ud800"',
        b'{"\\udc00": 1}',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b"\xef\xbb\xbf1",
        b'"a\x01"',
        b"[1,]",
        b"9" * 5000,
    ],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        json.decode(body)


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":2}', b'[{"x":{"a":":","a":1}}]', b'{"\\u0061":1,"a":2}', b'{"u":"http://x","v":{"a":1,"a":1}}'],
)
def test_a_key_given_twice_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="twice"):
        json.decode(body)


def test_colons_inside_of_text_are_not_keys() -> None:
    assert json.decode(b'{"a":"x:y","b":["\\":\\"", {"c:d": ":"}]}') == {"a": "x:y", "b": ['":"', {"c:d": ":"}]}


@pytest.mark.parametrize("bomb", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 600 + b"]" * 600])
def test_a_depth_bomb_is_malformed(bomb: bytes) -> None:
    with pytest.raises(Malformed, match="deep"):
        json.decode(bomb)


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**300])
def test_an_integer_past_64_bits_is_exact(number: int) -> None:
    assert json.decode(json.encode({"n": number})) == {"n": number}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (math.nan, ""),
        ({"a": [1, None, math.inf]}, "/a/2"),
        ({"a": None, "big": 2**70, "x/y": -math.inf}, "/x~1y"),
    ],
)
def test_a_number_that_json_lacks_is_refused_with_its_place(value: object, path: str) -> None:
    with pytest.raises(Malformed, match="NaN") as caught:
        json.encode(value)
    assert caught.value.path == path


@pytest.mark.parametrize("value", [None, [None, 1.5], {"null": "null"}, [None, 2**70]])
def test_a_null_that_was_none_is_written(value: object) -> None:
    assert json.decode(json.encode(value)) == value


def test_a_lone_surrogate_is_refused_with_its_place() -> None:
    with pytest.raises(Malformed, match="surrogate") as caught:
        json.encode({"a": ["x", "\ud800"]})
    assert caught.value.path == "/a/1"


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(Malformed, match="contains itself"):
        json.encode(value)


@pytest.mark.parametrize("value", [{"q": [1j]}, {"q": [{(1, 2): 3}]}, {"q": [object()]}])
def test_what_has_no_form_is_refused_with_type_and_place(value: object) -> None:
    with pytest.raises(Malformed, match="cannot be") as caught:
        json.encode(value)
    assert caught.value.path.startswith("/q/0")
