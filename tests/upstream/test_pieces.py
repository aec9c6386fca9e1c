from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.fault import Code, Fault
from dragoman.upstream.pieces import checked, one_line, pieces

VALUES = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@given(st.lists(VALUES, max_size=8), st.integers(1, 7), st.sampled_from(["lines", "events"]))
def test_however_a_body_is_cut_the_items_are_the_same(values: list[object], size: int, kind: str) -> None:
    wrap = "data: {}\n\n" if kind == "events" else "{}\n"
    body = "".join(wrap.format(json.dumps(value)) for value in values).encode()
    cut = pieces(kind, "it", 10_000)
    items = [item for at in range(0, len(body), size) for item in cut.feed(body[at : at + size])]
    items += cut.finish()
    assert [json.loads(item) for item in items] == values


def test_a_last_line_needs_no_end_and_an_event_does() -> None:
    lines, events = pieces("lines", "it", 100), pieces("events", "it", 100)
    assert [*lines.feed(b"1\n\n\x1e2"), *lines.finish()] == [b"1", b"2"]
    assert [*events.feed(b"data: 1\n\ndata: 2\n"), *events.finish()] == [b"1"]


def test_events_that_are_no_json_are_text_and_comments_are_nothing() -> None:
    cut = pieces("events", "it", 100)
    assert list(cut.feed(b": hi\n\ndata: a\ndata: b\n\n")) == [b'"a\\nb"']


def test_the_end_of_a_host_like_this_one_is_the_end() -> None:
    cut = pieces("events", "it", 100)
    assert list(cut.feed(b"data: 1\n\nevent: end\ndata: {}\n\ndata: 2\n\n")) == [b"1"]


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("lines", b"{\n", Code.DATA_LOSS),
        ("lines", b"1" * 200, Code.OUT_OF_RANGE),
        ("lines", b'"' + b"1" * 200 + b'"\n', Code.OUT_OF_RANGE),
        ("events", b"data: " + b"1" * 200, Code.OUT_OF_RANGE),
        ("events", b'event: fault\ndata: {"code":"ABORTED"}\n\n', Code.ABORTED),
    ],
)
def test_a_stream_that_goes_wrong_ends_by_a_fault(kind: str, body: bytes, code: Code) -> None:
    with pytest.raises(Fault) as raised:
        list(pieces(kind, "it", 100).feed(body))
    assert raised.value.code is code


def test_a_value_over_several_lines_becomes_one() -> None:
    assert one_line(b"[1,\n 2]") == b"[1,2]"
    assert checked(b" 1.50 ", "it") == b" 1.50 "
