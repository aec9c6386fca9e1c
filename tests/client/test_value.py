from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.client.value import decode_reply, encode_for, encode_input
from dragoman.core.call import Codec, Reply
from dragoman.core.fault import DataLoss, InvalidArgument, Started
from dragoman.core.target import Target

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=5))
def test_plain_values_survive_the_way_there_and_back(value: dict[str, Any]) -> None:
    body, codec = encode_input(value)
    assert decode_reply(Reply(body, codec)) == value


def test_nothing_is_an_empty_object_and_bytes_stay_bytes() -> None:
    assert decode_reply(Reply(*encode_input(None))) == {}
    assert decode_reply(Reply(*encode_input({"b": b"\xff"}))) == {"b": b"\xff"}
    assert decode_reply(Reply(b"\xff", Codec.BYTES)) == b"\xff"


@pytest.mark.parametrize(
    ("body", "codec"), [(b"{", Codec.JSON), (b"\xc1", Codec.MSGPACK), (b"\x01\x01", Codec.MSGPACK), (b"", Codec.ARROW)]
)
def test_a_reply_that_cannot_be_read_is_data_loss(body: bytes, codec: Codec) -> None:
    with pytest.raises(DataLoss, match="the reply cannot be read") as fault:
        decode_reply(Reply(body, codec))
    assert fault.value.started is Started.YES
    with pytest.raises(DataLoss, match="an item of the stream cannot be read"):
        decode_reply(Reply(b"", codec), body)


def test_only_an_integer_that_is_too_large_makes_it_json() -> None:
    assert encode_input({"n": 2**64 - 1, "at": datetime(2026, 1, 1, tzinfo=UTC)})[1] is Codec.MSGPACK
    assert encode_input({"n": 2**64})[1] is Codec.JSON


@pytest.mark.parametrize("value", [{"x": object()}, {"x": "\ud800"}, {"n": 2**64, "nan": float("nan")}])
def test_what_cannot_travel_is_refused_with_the_reason(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="cannot be sent"):
        encode_input(value)


def test_bytes_alone_travel_as_they_are_to_who_takes_them() -> None:
    target = Target("s.f", "s", "f", 0, 1.0, raw_input=True, raw_output=True, raw_parameter="data")
    assert encode_for(target, {"data": b"\xff"}) == (b"\xff", Codec.BYTES, Codec.BYTES)
    assert encode_for(target, {"data": b"\xff", "n": 1})[1:] == (Codec.MSGPACK, Codec.BYTES)
