import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.codecs.splice import SPLICERS, Result, Torn
from dragoman.core.call import Codec

ENCODE = {Codec.JSON: msgspec.json.encode, Codec.MSGPACK: msgspec.msgpack.encode}
DECODE = {Codec.JSON: msgspec.json.decode, Codec.MSGPACK: msgspec.msgpack.decode}
CODECS = sorted(ENCODE)

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=9)
)
FINITE = SCALARS.filter(lambda value: value not in (float("inf"), float("-inf")))
VALUES = st.recursive(
    FINITE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
OTHERS = st.dictionaries(st.text(max_size=6).filter(lambda key: key != "xs"), VALUES, max_size=4)


@pytest.mark.parametrize("codec", CODECS)
@given(lists=st.lists(st.lists(VALUES, max_size=20), min_size=1, max_size=5), others=OTHERS)
def test_inputs_are_put_together_with_every_value_as_it_was(
    codec: Codec, lists: list[list[object]], others: dict[str, object]
) -> None:
    splicer = SPLICERS[codec]("xs")
    parts = [splicer.take(ENCODE[codec]({"xs": items, **others})) for items in lists]
    taken = [part for part in parts if part is not None]
    assert [part.size for part in taken] == [len(items) for items in lists]
    assert len({part.rest for part in taken}) == 1
    if codec is Codec.MSGPACK or all(lists):
        merged = DECODE[codec](splicer.put(taken))
        assert merged == {"xs": [item for items in lists for item in items], **others}


@pytest.mark.parametrize("codec", CODECS)
@given(lists=st.lists(st.lists(VALUES, min_size=1, max_size=20), min_size=1, max_size=5))
def test_a_result_is_cut_where_its_parts_meet(codec: Codec, lists: list[list[object]]) -> None:
    result = Result(ENCODE[codec]([item for items in lists for item in items]), codec)
    at = 0
    for items in lists:
        assert DECODE[codec](result.cut(at, at + len(items))) == items
        at += len(items)
    assert len(result) == at


def test_the_order_of_the_keys_does_not_tell_inputs_apart() -> None:
    splicer = SPLICERS[Codec.JSON]("xs")
    one, other = splicer.take(b'{"b": 1, "xs": [1], "a": 2}'), splicer.take(b'{"a":2,"b":1,"xs":[ 2 ]}')
    assert one is not None
    assert other is not None
    assert one.rest == other.rest
    assert json.loads(splicer.put([one, other])) == {"xs": [1, 2], "a": 2, "b": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1]",
        b'{"ys": [1]}',
        b'{"xs": 1}',
        b'{"xs": {"a": 1}}',
        b'{"xs": [1',
        b'{"xs": [1], "xs": [2]}',
        b'{"xs": [1], "a": 1, "a": 2}',
        b'{"xs": [1], "a": "x:y", "a": "x:y"}',
        b'{"xs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_not_plainly_such_an_object_is_left_alone(body: bytes) -> None:
    assert SPLICERS[Codec.JSON]("xs").take(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x91\x01",
        b"\x81\xa2ys\x91\x01",
        b"\x81\xa2xs\x01",
        b"\x82\xa2xs\x91\x01\xa2xs\x91\x02",
        b"\x81\x01\x91\x01",
        b"\x81\xa2xs\x92\x01",
        b"\x81\xa2xs" + b"\x91" * 100_000 + b"\x01",
    ],
)
def test_what_is_not_plainly_such_a_map_is_left_alone(body: bytes) -> None:
    assert SPLICERS[Codec.MSGPACK]("xs").take(body) is None


@pytest.mark.parametrize("count", [15, 16, 65535, 65536])
def test_messagepack_lists_of_every_size_are_spliced(count: int) -> None:
    splicer = SPLICERS[Codec.MSGPACK]("xs")
    part = splicer.take(msgspec.msgpack.encode({"xs": [7] * count, "y": 1}))
    assert part is not None
    assert msgspec.msgpack.decode(splicer.put([part, part])) == {"xs": [7] * 2 * count, "y": 1}


@pytest.mark.parametrize("codec", CODECS)
def test_faults_travel_beside_the_items(codec: Codec) -> None:
    document = {"items": [1, None, 3], "faults": {"1": {"code": "NOT_FOUND", "detail": "no"}}}
    result = Result(ENCODE[codec](document), codec)
    assert result.faults == {1: {"code": "NOT_FOUND", "detail": "no"}}
    assert DECODE[codec](result.cut(2, 3)) == [3]


@pytest.mark.parametrize("value", [1, "text", {"a": 1}, {"items": 1, "faults": {}}, {"items": [], "faults": {"a": {}}}])
@pytest.mark.parametrize("codec", CODECS)
def test_what_is_no_list_is_told(codec: Codec, value: object) -> None:
    with pytest.raises(Torn, match="no list"):
        Result(ENCODE[codec](value), codec)
