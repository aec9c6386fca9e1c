"""Lent regions, against the plainest model there is: one flag for each byte."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.segment import Lending, Region, offset_of, region_of, release_body

ARENA_BYTES = 1024
STEPS = st.tuples(st.booleans(), st.integers(0, 20).map(lambda at: at * 32), st.integers(0, 300))


@given(st.lists(STEPS, max_size=60))
def test_regions_are_lent_and_given_back_as_their_bytes_are_free(steps: list[tuple[bool, int, int]]) -> None:
    lending, held = Lending(ARENA_BYTES), dict[int, int]()
    for lends, offset, size in steps:
        taken = {byte for start, length in held.items() for byte in range(start, start + length)}
        wanted = set(range(offset, offset + size))
        good = not offset % 64 and 0 < size <= 200 and offset + size <= ARENA_BYTES and not wanted & taken
        good = good if lends else offset in held
        with contextlib.nullcontext() if good else pytest.raises(ProtocolFault, match=Reason.SEGMENT):
            if lends:
                lending.lend(Region(offset, size), 200)
                held[offset] = size
            else:
                assert lending.release(offset) == held.pop(offset)
        assert len(lending) == len(held)


def test_what_a_frame_says_of_a_region_is_read_back() -> None:
    region = Region(2**63, 2**64 - 1)
    assert region_of(region.pack()) == region
    assert offset_of(release_body(2**64 - 1)) == 2**64 - 1


def test_an_arena_that_is_none_lends_nothing() -> None:
    with pytest.raises(ProtocolFault, match="inside the arena of 0"):
        Lending(0).lend(Region(0, 1), 100)
