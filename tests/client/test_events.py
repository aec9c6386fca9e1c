from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.client.events import Event, EventReader, TooLarge

STREAM = b'data: 1\n\n: a comment\n\ndata: {"a":\ndata: 2}\n\nevent: fault\ndata: {}\n\nid: 7\nevent: end\ndata:\n\n'
EVENTS = [Event("message", b"1"), Event("message", b'{"a":\n2}'), Event("fault", b"{}"), Event("end", b"", "7")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20), st.sampled_from([b"\n", b"\r\n"]))
def test_events_are_the_same_however_the_stream_is_cut(cuts: list[int], line_end: bytes) -> None:
    stream = STREAM.replace(b"\n", line_end)
    places = sorted({0, len(stream), *cuts})
    reader = EventReader(1000)
    found = [event for a, b in pairwise(places) for event in reader.feed(stream[a:b])]
    assert found == EVENTS


@given(st.binary(max_size=200))
def test_junk_gives_events_or_nothing_but_no_error(junk: bytes) -> None:
    EventReader(1000).feed(junk)


def test_an_event_without_end_is_refused_at_the_bound() -> None:
    reader = EventReader(100)
    reader.feed(b"data: " + b"x" * 90)
    with pytest.raises(TooLarge, match="100 bytes"):
        reader.feed(b"x" * 10)


def test_a_large_event_in_small_chunks_costs_no_more_than_its_size() -> None:
    reader = EventReader(100_000_000)
    for _ in range(20_000):  # searched anew each time, this would take minutes
        assert reader.feed(b"x" * 1000) == []
    assert reader.feed(b"\ndata: 1\n\n") == [Event("message", b"1")]
