"""An Arrow stream finds the one parameter that it can be, and a reply the codec that comes nearest."""

from __future__ import annotations

import pytest

from dragoman.contract.codecs import msgpack
from dragoman.contract.fitting import fitted, in_reach
from dragoman.core.call import Codec
from dragoman.core.target import Target


def target(*tables: str, raw: bool = False) -> Target:
    return Target("a.f", "a", "f", 0, 1.0, raw_input=raw, tables=frozenset(tables))


def test_a_stream_is_the_one_table_among_the_parameters() -> None:
    body, codec = fitted(memoryview(b"stream"), Codec.ARROW, target("rows"))
    assert codec is Codec.MSGPACK
    assert msgpack.decode(body) == {"rows": b"stream"}


def test_everything_else_stays_as_it_is() -> None:
    body = b"stream"
    assert fitted(body, Codec.ARROW, target("rows", raw=True)) == (body, Codec.ARROW)
    assert fitted(body, Codec.ARROW, target("left", "right")) == (body, Codec.ARROW)
    assert fitted(body, Codec.ARROW, target()) == (body, Codec.ARROW)
    assert fitted(body, Codec.BYTES, target("rows")) == (body, Codec.BYTES)


VALUES = Target("a.f", "a", "f", 0, 1.0)
RAW = Target("a.f", "a", "f", 0, 1.0, raw_output=True)
TABLE = Target("a.f", "a", "f", 0, 1.0, raw_output=True, gives_table=True)


@pytest.mark.parametrize(
    ("target", "wanted", "given"),
    [
        (VALUES, Codec.JSON, Codec.JSON),
        (VALUES, Codec.MSGPACK, Codec.MSGPACK),
        (VALUES, Codec.BYTES, Codec.JSON),
        (VALUES, Codec.ARROW, Codec.MSGPACK),
        (RAW, Codec.JSON, Codec.JSON),
        (RAW, Codec.BYTES, Codec.BYTES),
        (RAW, Codec.ARROW, Codec.BYTES),
        (TABLE, Codec.BYTES, Codec.BYTES),
        (TABLE, Codec.ARROW, Codec.ARROW),
    ],
)
def test_the_nearest_codec_that_the_function_has(target: Target, wanted: Codec, given: Codec) -> None:
    assert in_reach(target, wanted) is given
