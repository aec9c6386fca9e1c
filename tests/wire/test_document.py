"""JSON bodies."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire.document import dump, integer, items, load, number, section, text
from dragoman.wire.fault import ProtocolFault

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_an_object_survives_the_way(document: dict[str, Any]) -> None:
    assert load(dump(document), "EVENT") == document


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_a_protocol_fault(body: bytes) -> None:
    with contextlib.suppress(ProtocolFault):
        assert isinstance(load(body, "EVENT"), dict)


def test_a_bomb_of_depth_is_a_protocol_fault() -> None:
    with pytest.raises(ProtocolFault):
        load(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "EVENT")


def test_a_number_of_many_digits_is_a_protocol_fault() -> None:
    with pytest.raises(ProtocolFault):
        load(b'{"a":' + b"9" * 100_000 + b"}", "EVENT")


def test_lone_surrogates_are_replaced_on_both_ways() -> None:
    assert load(rb'{"\uD800": ["a\ud800b", "\ud83d\ude00"]}', "EVENT") == {"�": ["a�b", "😀"]}
    assert dump({"a": "\ud800"}) == b'{"a":"?"}'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_not_sent(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dump({"a": value})


@pytest.mark.parametrize("read", [text, number, items, section])
def test_a_value_of_the_wrong_type_names_its_key(read: Any) -> None:
    with pytest.raises(ProtocolFault, match=r"EVENT: `key`"):
        read({"key": None}, "key", "EVENT")


def test_a_whole_number_is_checked_for_type_and_for_least() -> None:
    assert integer({"key": 5}, "key", "HELLO", 5) == 5
    for value, reason in ((4, "handshake"), (True, "json"), ("5", "json"), (None, "json")):
        with pytest.raises(ProtocolFault) as caught:
            integer({"key": value}, "key", "HELLO", 5)
        assert caught.value.reason == reason


def test_an_integer_past_every_float_is_a_protocol_fault() -> None:
    with pytest.raises(ProtocolFault):
        number({"key": 10**400}, "key", "EVENT")
