"""One face over the codecs."""

from __future__ import annotations

import pytest

from dragoman.contract import codec
from dragoman.contract.codec import Malformed
from dragoman.core.call import Codec


@pytest.mark.parametrize("kind", [Codec.JSON, Codec.MSGPACK])
def test_a_value_survives_each_codec(kind: Codec) -> None:
    value = {"a": [1, 2.5, None, True, "x"]}
    assert codec.decode(codec.encode(value, kind), kind) == value


def test_a_body_is_said_again_in_another_codec() -> None:
    packed = codec.transcode(b'{"a": [1, "x"]}', Codec.JSON, Codec.MSGPACK)
    assert codec.transcode(packed, Codec.MSGPACK, Codec.JSON) == b'{"a":[1,"x"]}'
    assert codec.transcode(b"\0", Codec.BYTES, Codec.JSON) == b'"AA=="'


def test_the_same_codec_passes_the_body_untouched() -> None:
    assert codec.transcode(b"not json", Codec.JSON, Codec.JSON) == b"not json"


@pytest.mark.parametrize(
    ("body", "source", "target"),
    [
        (b"18446744073709551616", Codec.JSON, Codec.MSGPACK),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", Codec.MSGPACK, Codec.JSON),
        (b'"x"', Codec.JSON, Codec.BYTES),
        (b"{}", Codec.JSON, Codec.ARROW),
        (b"x", Codec.NONE, Codec.JSON),
    ],
)
def test_what_the_target_cannot_say_is_malformed(body: bytes, source: Codec, target: Codec) -> None:
    with pytest.raises(Malformed):
        codec.transcode(body, source, target)


def test_no_codec_carries_nothing() -> None:
    assert codec.decode(b"", Codec.NONE) is None
    assert codec.encode(None, Codec.NONE) == b""


def test_raw_output_takes_only_bytes() -> None:
    assert codec.encode(memoryview(b"abc"), Codec.BYTES) == b"abc"
    with pytest.raises(Malformed, match="str"):
        codec.encode("abc", Codec.BYTES)
