"""Frames as values and as bytes."""

from __future__ import annotations

from zlib import crc32

import pytest

from dragoman.core.call import Codec
from dragoman.wire.frame import FIELDS, HEADER, HEADER_BYTES, Flag, Frame, Kind, encode, header, word


def test_the_two_views_of_the_header_have_one_layout() -> None:
    wide = HEADER.pack(7, 1, Kind.CALL, Flag.STREAM, 0x21, 3, 5, 9, 11, 13)
    assert FIELDS.unpack(wide) == (7, word(Kind.CALL, Flag.STREAM, 0x21), 3, 5, 9, 11, 13)
    assert HEADER_BYTES == 32


def test_a_header_leaves_the_body_to_its_sender() -> None:
    frame = Frame(Kind.CALL, codec=1, call=1, meta=b"\x05\x01\x00\x01", body=b"{}")
    assert header(frame) + frame.body == encode(frame)


def test_a_checksum_covers_meta_and_body() -> None:
    data = encode(Frame(Kind.CALL, Flag.CHECKSUM, 1, call=1, meta=b"\x05\x01\x00\x01", body=b"{}"))
    assert int.from_bytes(data[28:32], "little") == crc32(data[32:])


@pytest.mark.parametrize(
    ("codec", "body", "reply"),
    [(0x11, Codec.JSON, Codec.JSON), (0x01, Codec.JSON, Codec.JSON), (0x23, Codec.BYTES, Codec.MSGPACK)],
)
def test_a_reply_codec_of_zero_means_the_same_as_the_body(codec: int, body: Codec, reply: Codec) -> None:
    frame = Frame(Kind.CALL, codec=codec)
    assert (frame.body_codec, frame.reply_codec) == (body, reply)
