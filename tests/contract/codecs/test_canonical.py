from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract import codec
from dragoman.contract.codecs.canonical import canonical
from dragoman.core.call import Codec
from tests.fuzz.canonical_bodies import bent, run_once
from tests.fuzz.mutation import run_random

PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.floats(allow_nan=False)
FINITE = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)


def nested(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return {key: shuffled(each, chance) for key, each in items}
    return [shuffled(each, chance) for each in value] if isinstance(value, list) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values are one to any function that can tell types and signs apart."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return one == other


@given(nested(FINITE), st.randoms(use_true_random=False))
def test_neither_order_nor_spacing_nor_escapes_nor_codec_counts(value: Any, chance: random.Random) -> None:
    body = codec.encode(value, Codec.JSON)
    form = canonical(body, Codec.JSON)
    assert form is not None
    mixed = shuffled(value, chance)
    for ascii_only in (True, False):
        spaced = json.dumps(mixed, indent=1, ensure_ascii=ascii_only)
        assert canonical(spaced.encode("utf-8", "surrogatepass"), Codec.JSON) == form
    try:
        packed = codec.encode(mixed, Codec.MSGPACK)
    except codec.Malformed:
        return  # an integer past 64 bits
    assert canonical(packed, Codec.MSGPACK) == form


@given(nested(PLAIN), nested(PLAIN))
def test_values_that_differ_have_forms_that_differ(one: Any, other: Any) -> None:
    forms = [canonical(codec.encode(value, Codec.MSGPACK), Codec.MSGPACK) for value in (one, other)]
    assert (forms[0] == forms[1]) == same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1}', b'{"a":1.0}'),
        (b'{"a":0.0}', b'{"a":-0.0}'),
        (b'{"a":1}', b'{"a":"1"}'),
        (b'{"a":1}', b'{"a":true}'),
        (b'{"a":0}', b'{"a":null}'),
        (b'{"a":null}', b"{}"),
        (b'{"a":18446744073709551616}', b'{"a":18446744073709551617}'),
        (b'{"a":18446744073709551616}', b'{"a":18446744073709551616.0}'),
        (b'{"a":18446744073709551616}', b'{"a":"10000000000000000"}'),
        (b'{"a":9007199254740993.0}', b'{"a":9007199254740992.0}'),
        (b'{"a":0.1}', b'{"a":0.1000000000000000055511151231257827}'),
        (b'{"a":1e-400}', b'{"a":0.0}'),
        ('{"a":"é"}'.encode(), '{"a":"e\u0301"}'.encode()),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b"[]", b"{}"),
    ],
)
def test_what_a_function_can_tell_apart_stays_apart(one: bytes, other: bytes) -> None:
    first, second = canonical(one, Codec.JSON), canonical(other, Codec.JSON)
    assert first is not None
    assert second is not None
    assert first != second


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1.10}', b'{"a":11e-1}'),
        (b'{"a":1e2}', b'{"a":100.0}'),
        (b'{"a":-0}', b'{"a":0}'),
        (b'{"b":123456789012345678901234567890,"a":1}', b'{"a":1,"b":123456789012345678901234567890}'),
        (rb'{"a":"\u00e9\/"}', '{"a":"é/"}'.encode()),
        (b"", b" { } "),
    ],
)
def test_what_says_the_same_has_one_form(one: bytes, other: bytes) -> None:
    assert canonical(one, Codec.JSON) == canonical(other, Codec.JSON) != None  # noqa: E711 - the chain reads as one


def test_numbers_of_messagepack_count_by_their_value_and_not_their_width() -> None:
    forms = {canonical(body, Codec.MSGPACK) for body in (b"\x01", b"\xcc\x01", b"\xd3\0\0\0\0\0\0\0\x01")}
    assert len(forms) == 1
    assert canonical(b"\xca\x3f\x80\0\0", Codec.MSGPACK) == canonical(b"1.0", Codec.JSON)
    assert canonical(b"\x81\x01\x02", Codec.MSGPACK) == canonical(b'{"1":2}', Codec.JSON)
    assert canonical(b"\xcb\x7f\xf8\0\0\0\0\0\0", Codec.MSGPACK) is not None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"a":1,"a":2}', Codec.JSON),
        (b'"\\ud800"', Codec.JSON),
        (b"\xff", Codec.JSON),
        (b"1e999", Codec.JSON),
        (b"[" * 600 + b"]" * 600, Codec.JSON),
        (b"[" * 60_000, Codec.JSON),
        (b"9" * 5000, Codec.JSON),
        (b"\xc1", Codec.MSGPACK),
        (b"\xd4\x01x", Codec.MSGPACK),
        (b"\x82\x01\x01\xa11\x02", Codec.MSGPACK),
        (b"{}", Codec.BYTES),
        (b"{}", Codec.ARROW),
    ],
)
def test_what_is_not_a_value_has_no_form(body: bytes, kind: Codec) -> None:
    assert canonical(body, kind) is None


def test_deep_integers_past_64_bits_have_a_form() -> None:
    body = b'{"a":' * 400 + b"1" * 30 + b"}" * 400
    assert canonical(body, Codec.JSON) is not None


def test_only_the_named_properties_count() -> None:
    names = ("b", "a")
    one = canonical(b'{"a":1,"b":{"x":1},"c":3}', Codec.JSON, names)
    assert one == canonical(b'{"b":{"x":1},"a":1}', Codec.JSON, names)
    assert one != canonical(b'{"a":1,"c":3}', Codec.JSON, names)
    assert canonical(b'{"a":null}', Codec.JSON, names) != canonical(b"{}", Codec.JSON, names)
    assert canonical(b"[1]", Codec.JSON, names) == canonical(b"[1]", Codec.JSON)


@given(st.binary(max_size=60), st.sampled_from(Codec))
def test_any_bytes_have_one_form_or_none(body: bytes, kind: Codec) -> None:
    run_once((body, kind))


def test_bent_bodies_do_no_harm() -> None:
    assert run_random(0.3, 7, bent, lambda _: run_once)
