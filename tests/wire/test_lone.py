"""Frames that come alone, held against the decoder, which takes every way there is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.call import Codec
from dragoman.wire.decoder import Decoder
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.frame import CODECS_OF, GUEST_BIT, HEADER, VERSION, Flag, Frame, Kind, encode
from dragoman.wire.lone import lone_call, lone_end, lone_named_call

LIMIT = 100
HEADERS = st.builds(
    HEADER.pack,
    st.integers(0, 5),
    st.sampled_from([VERSION, 0, 2]),
    st.sampled_from([Kind.CALL, Kind.END, Kind.ITEM, 0, 99]),
    st.sampled_from([0, 0, 0, 1, 2, 4, 8, 255]),
    st.sampled_from([*CODECS_OF[Kind.CALL], 5, 0x51, 0xFF]),
    st.integers(0, 3),
    st.sampled_from([0, 0, 0, 1, 5]),
    st.sampled_from([0, 7, 8, GUEST_BIT, GUEST_BIT + 7]),
    st.integers(0, 2**32 - 1),
    st.just(0),
)


def decoded(data: bytes) -> list[Frame]:
    try:
        return Decoder(LIMIT).feed(data)
    except ProtocolFault:
        return []


@given(HEADERS, st.binary(max_size=6))
def test_what_comes_alone_is_what_the_decoder_makes_of_it(header: bytes, rest: bytes) -> None:
    frames = decoded(header + rest)
    call, end = lone_call(header + rest, LIMIT), lone_end(7, header + rest, LIMIT)
    assert call is None or ([call] == frames and call.kind == Kind.CALL and 0 < call.call < GUEST_BIT)
    if end is not None:
        (frame,) = frames
        assert (frame.kind, frame.flags, frame.call) == (Kind.END, 0, 7)
        assert end == (frame.codec, frame.amount, frame.body)


@given(HEADERS, st.binary(max_size=6))
def test_a_named_call_that_comes_alone_is_what_the_decoder_makes_of_it(header: bytes, rest: bytes) -> None:
    call = lone_named_call(header + rest, LIMIT)
    assert call is None or ([call] == decoded(header + rest) and call.meta and (call.kind, call.flags) == (3, 0))


@given(st.binary(max_size=80))
def test_any_other_bytes_are_left_to_the_decoder(data: bytes) -> None:
    assert lone_call(data, LIMIT) is None or [lone_call(data, LIMIT)] == decoded(data)
    assert lone_end(0, data, LIMIT) is None or len(decoded(data)) == 1


def test_a_plain_call_and_its_end_are_told() -> None:
    call = Frame(Kind.CALL, 0, 0x21, 3, 7, 900, b"", b"{}")
    assert lone_call(encode(call), LIMIT) == call
    named = call._replace(call=GUEST_BIT + 7, meta=b"name")
    assert lone_named_call(encode(named), LIMIT) == named
    assert lone_end(7, encode(Frame(Kind.END, 0, 2, 0, 7, 12, b"", b"\x05")), LIMIT) == (2, 12, b"\x05")


def test_what_is_not_plain_is_not_told() -> None:
    call = Frame(Kind.CALL, 0, 0x21, 3, 7, 900, b"", b"{}")
    for other in (
        call._replace(flags=int(Flag.STREAM)),
        call._replace(meta=b"x"),
        call._replace(codec=int(Codec.NONE), body=b""),
        call._replace(body=bytes(LIMIT + 1)),
        call._replace(call=GUEST_BIT + 1),
    ):
        assert lone_call(encode(other), LIMIT) is None
        if not other.meta:
            assert lone_named_call(encode(other), LIMIT) is None
    for data in (encode(call) * 2, encode(call)[:-1], encode(call)[:20], b""):
        assert lone_call(data, LIMIT) is None
