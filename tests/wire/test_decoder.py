"""The decoder: any pieces in, the same frames out, and memory that follows what came."""

from __future__ import annotations

import struct
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire.decoder import Decoder
from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.frame import (
    BODY_BYTES_MAX,
    CODECS_OF,
    CORRUPT,
    FLAGS_OF,
    REGION_BYTES,
    RELEASE_BYTES,
    Flag,
    Frame,
    Kind,
    encode,
    word,
)

MIB = 1 << 20


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Any frame that may travel, with a body up to 300 bytes."""
    kind = draw(st.sampled_from(Kind))
    codec = draw(st.sampled_from(CODECS_OF[kind]))
    bulk = kind in {Kind.CALL, Kind.ITEM, Kind.END}
    body_bytes_max = 0 if bulk and not codec & 15 else min(BODY_BYTES_MAX[kind], 300)
    flags = draw(st.integers(0, 31)) & FLAGS_OF[kind]
    if flags & Flag.SEGMENT and not body_bytes_max:
        flags &= ~Flag.SEGMENT
    exact = RELEASE_BYTES if kind is Kind.RELEASE else REGION_BYTES if flags & Flag.SEGMENT else 0
    return Frame(
        int(kind),
        flags,
        codec,
        draw(st.integers(0, 2**32 - 1)),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.integers(0, 2**32 - 1)),
        draw(st.binary(max_size=60)) if kind is Kind.CALL else b"",
        draw(st.binary(min_size=exact, max_size=exact or body_bytes_max)),
    )


def sharing() -> Decoder:
    """A decoder whose two sides agreed on shared memory."""
    decoder = Decoder()
    decoder.segments = True
    return decoder


def feed_in_pieces(decoder: Decoder, data: bytes, cuts: list[int]) -> tuple[list[Frame], Reason | None]:
    """Feed data cut at some places; return the frames, and the reason of the fault that ended it."""
    out: list[Frame] = []
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, stop in pairwise(places):
        try:
            out += decoder.feed(data[start:stop])
        except ProtocolFault as fault:
            return out + fault.frames, fault.reason
    return out, None


@given(st.lists(frames(), max_size=6), st.lists(st.integers(0, 3000), max_size=12))
def test_frames_survive_any_cutting(sent: list[Frame], cuts: list[int]) -> None:
    decoder = sharing()
    assert feed_in_pieces(decoder, b"".join(map(encode, sent)), cuts) == (sent, None)
    assert decoder.missing_bytes == 0


@given(st.lists(frames(), max_size=3), st.binary(max_size=80), st.lists(st.integers(0, 1000), max_size=8))
def test_garbage_ends_in_the_same_fault_after_the_same_frames_however_it_is_cut(
    sent: list[Frame], garbage: bytes, cuts: list[int]
) -> None:
    data = b"".join(map(encode, sent)) + garbage
    for make in (Decoder, sharing):
        assert feed_in_pieces(make(), data, cuts) == feed_in_pieces(make(), data, [])


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_may_be_fed_and_reused(kind: type[bytes | bytearray | memoryview]) -> None:
    frame = Frame(Kind.END, codec=3, call=1, body=bytes(range(256)) * 1000)
    data = bytearray(encode(frame) * 2)
    decoder = Decoder()
    out: list[Frame] = []
    for at in range(0, len(data), 65536):
        buffer = bytearray(data[at : at + 65536])
        out += decoder.feed(kind(buffer))
        buffer[:] = bytes(len(buffer))
    assert out == [frame, frame]
    assert all(type(each.body) is bytes for each in out)


def test_a_body_that_spans_reads_is_not_held_more_than_twice() -> None:
    data = encode(Frame(Kind.END, codec=3, call=1, body=bytes(8 * MIB)))
    pieces = [data[at : at + 65536] for at in range(0, len(data), 65536)]
    decoder = Decoder()
    tracemalloc.start()
    for piece in pieces:
        decoder.feed(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 9 * MIB  # the pieces are the reads themselves; only the join is new


@pytest.mark.parametrize("claimed", [MIB, 64 * MIB])
@pytest.mark.parametrize("kind", [Kind.CALL, Kind.END])
def test_a_length_that_lies_reserves_nothing(claimed: int, kind: Kind) -> None:
    header = struct.pack("<IIIIQII", claimed, word(kind, 0, 3), 0, 0, 1, 0, 0)
    decoder = Decoder()
    tracemalloc.start()
    decoder.feed(header)
    decoder.feed(bytes(100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert decoder.missing_bytes == claimed - 100
    assert peak < 64 * 1024


def test_a_trickle_of_single_bytes_costs_about_what_it_holds() -> None:
    body = bytes(200_000)
    data = encode(Frame(Kind.END, codec=3, call=1, body=body))
    decoder = Decoder()
    tracemalloc.start()
    for at in range(len(data) - 1):
        decoder.feed(data[at : at + 1])
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 2 * len(body)
    assert decoder.feed(data[-1:])[0].body == body


def test_a_body_that_does_not_match_its_checksum_is_marked_and_withheld() -> None:
    data = bytearray(encode(Frame(Kind.END, Flag.CHECKSUM, 1, call=7, body=b"[1]")))
    data[-1] ^= 1
    expected = [Frame(Kind.END, Flag.CHECKSUM | CORRUPT, 1, call=7)]
    assert Decoder().feed(bytes(data)) == expected
    whole, cut = bytes(data), Decoder()
    assert cut.feed(whole[:33]) + cut.feed(whole[33:]) == expected


def test_the_frames_before_a_fault_come_with_it() -> None:
    good = Frame(Kind.END, codec=1, call=1, body=b"1")
    with pytest.raises(ProtocolFault) as caught:
        Decoder().feed(encode(good) + bytes(32))
    assert caught.value.frames == [good]


def test_a_decoder_is_dead_after_a_fault() -> None:
    decoder = Decoder()
    with pytest.raises(ProtocolFault):
        decoder.feed(bytes(32))
    with pytest.raises(ProtocolFault) as caught:
        decoder.feed(encode(Frame(Kind.BYE)))
    assert caught.value.reason == Reason.VERSION
    assert caught.value.frames == []
