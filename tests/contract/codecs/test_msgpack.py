"""MessagePack is read and written strictly."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.codecs import msgpack
from dragoman.contract.malformed import Malformed

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
INTEGERS = st.integers(-(2**63), 2**64 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | TEXT | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_reads_back_the_same(value: object) -> None:
    assert msgpack.decode(msgpack.encode(value)) == value


@given(st.binary())
def test_arbitrary_bytes_are_a_value_or_malformed(body: bytes) -> None:
    with suppress(Malformed):
        msgpack.decode(body)


@pytest.mark.parametrize("body", [b"", b"\x01\x02", b"\xdd\xff\xff\xff\xff", b"\xc1", b"\xa1\xff"])
def test_what_is_not_messagepack_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        msgpack.decode(body)


@pytest.mark.parametrize("bomb", [b"\x91" * 100_000, b"\x81\xa1a" * 100_000, b"\x91" * 600 + b"\x01"])
def test_a_depth_bomb_is_malformed(bomb: bytes) -> None:
    with pytest.raises(Malformed, match="deep"):
        msgpack.decode(bomb)


def test_an_extension_type_is_malformed() -> None:
    with pytest.raises(Malformed, match="extension type 5"):
        msgpack.decode(msgspec.msgpack.encode([msgspec.msgpack.Ext(5, b"x")]))


def test_the_timestamp_is_a_moment() -> None:
    moment = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert msgpack.decode(msgpack.encode([moment])) == [moment]


def test_numbers_as_keys_become_text() -> None:
    assert msgpack.decode(msgspec.msgpack.encode({1: {"a": b"x"}, 2.5: 0})) == {"1": {"a": b"x"}, "2.5": 0}


@pytest.mark.parametrize("keys", [{1: 1, "1": 2}, {None: 1}, {True: 1}, {(1, 2): 3}])
def test_a_key_that_is_ambiguous_or_no_text_is_malformed(keys: object) -> None:
    with pytest.raises(Malformed, match="key"):
        msgpack.decode(msgspec.msgpack.encode([keys]))


def test_an_integer_past_64_bits_is_refused_with_its_place() -> None:
    with pytest.raises(Malformed, match="64 bits") as caught:
        msgpack.encode({"a": [1, 2**64]})
    assert caught.value.path == "/a/1"


def test_nan_is_a_number_here() -> None:
    assert math.isnan(msgpack.decode(msgpack.encode(math.nan)))
