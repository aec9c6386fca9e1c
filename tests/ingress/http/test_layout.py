"""Items are laid out so that any reader of the form finds them again."""

from __future__ import annotations

import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ingress.http.layout import Layout
from dragoman.ingress.http.negotiation import Form

BATCHES = st.lists(st.lists(st.integers(), min_size=1))


def flat(batches: list[list[int]]) -> list[int]:
    return list(chain.from_iterable(batches))


def written(form: Form, batches: list[list[int]]) -> bytes:
    layout = Layout(form)
    body = b"".join(layout.items([b"%d" % item for item in batch]) for batch in batches)
    return body + layout.end()


@given(BATCHES)
def test_an_array_is_one_json_value(batches: list[list[int]]) -> None:
    assert json.loads(written(Form.ARRAY, batches)) == flat(batches)


@given(BATCHES)
def test_lines_hold_an_item_each(batches: list[list[int]]) -> None:
    assert [json.loads(line) for line in written(Form.LINES, batches).splitlines()] == flat(batches)


@given(BATCHES)
def test_events_hold_an_item_each_and_say_when_they_end(batches: list[list[int]]) -> None:
    events = written(Form.EVENTS, batches).split(b"\n\n")
    assert [json.loads(event.removeprefix(b"data: ")) for event in events[:-2]] == flat(batches)
    assert events[-2:] == [b"event: end\ndata:", b""]


def test_an_event_of_several_lines_stays_one_event() -> None:
    assert Layout(Form.EVENTS).items([b"a\nb\n"]) == b"data: a\ndata: b\ndata: \n\n"


@pytest.mark.parametrize(
    ("form", "data", "complete"),
    [
        (Form.LINES, b'{"problem":{}}\n', False),
        (Form.EVENTS, b"event: fault\ndata: {}\n\n", True),
        (Form.ARRAY, b"", False),
        (Form.JOINED, b"", False),
    ],
)
def test_a_failure_can_be_told_from_an_end(form: Form, data: bytes, complete: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert Layout(form).fault(b"{}") == (data, complete)
