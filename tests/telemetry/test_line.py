"""A log line is one line of JSON, bounded, and shows every trick as text."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.telemetry.line import DEPTH_MAX, LINE_BYTES_MAX, render, visible

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.uuids() | st.dates(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=30,
)


class Unshowable:
    """A value whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError


@given(st.dictionaries(st.text(), ANYTHING))
def test_any_fields_make_one_bounded_line_of_json(fields: dict[str, Any]) -> None:
    line = render(fields)
    assert len(line) <= LINE_BYTES_MAX
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert isinstance(json.loads(line), dict)


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(500, 9000)), min_size=1, max_size=30))
def test_a_line_that_is_too_long_is_cut_and_stays_json(texts: list[tuple[str, int]]) -> None:
    line = render({f"{number} {text}": text * times for number, (text, times) in enumerate(texts)})
    assert len(line) <= LINE_BYTES_MAX
    json.loads(line)


@pytest.mark.parametrize("character", ["x", "é", "漢", "😀", '"', "\\", "\x1b", "\ud800"])
def test_a_long_message_keeps_its_beginning_and_says_how_long_it_was(character: str) -> None:
    line = render({"level": "info", "event": "begin" + character * 20_000, "source": "stats"})
    fields = json.loads(line)
    assert LINE_BYTES_MAX * 0.5 < len(line) <= LINE_BYTES_MAX
    assert fields["event"].startswith("begin")
    assert fields["event"].endswith("(20005 characters)")
    assert fields["source"] == "stats"


def test_a_long_traceback_keeps_its_end() -> None:
    rows = "\n".join(f"row {number}" for number in range(5000))
    fields = json.loads(render({"event": "call failed", "traceback": rows + "\nValueError: the reason"}))
    assert fields["traceback"].endswith("ValueError: the reason")
    assert fields["traceback"].startswith("(")


def test_many_long_fields_are_cut_one_after_the_other() -> None:
    fields = json.loads(render({"event": "e", **{f"k{number}": "x" * 5000 for number in range(20)}}))
    assert fields["event"] == "e"
    assert "(5000 characters)" in fields["k0"]


def test_fields_that_cannot_be_cut_are_left_out_but_the_first() -> None:
    fields = json.loads(render({"event": "e", **{f"{number:0>99}": number for number in range(100)}}))
    assert fields["event"] == "e"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢 😀 \t tab", "plain é 漢 😀 \t tab"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ('line\n{"level":"error"}', 'line\\n{"level":"error"}'),
        ("\r\x00\x07\x7f\x9b", "\\r\\x00\\x07\\x7f\\x9b"),
        ("a\u202eb\u2028c\ufeff", "a\\u202eb\\u2028c\\ufeff"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_control_characters_are_shown_as_text(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert json.loads(render({"event": text}))["event"] == shown
    assert json.loads(render({"event": "e", "fields": {text: [text]}}))["fields"] == {shown: [shown]}


def test_only_a_traceback_keeps_its_line_breaks() -> None:
    fields = json.loads(render({"event": "a\nb", "traceback": "a\nb\x1b"}))
    assert fields == {"event": "a\\nb", "traceback": "a\nb\\x1b"}


def test_numbers_that_json_does_not_know_are_shown_as_text() -> None:
    fields = json.loads(render({"nan": math.nan, "inf": -math.inf, "big": 10**5000, "fine": 2**63}))
    assert (fields["nan"], fields["inf"], fields["fine"]) == ("nan", "-inf", 2**63)
    assert fields["big"].startswith("0x")


def test_a_value_that_cannot_be_shown_does_not_cost_the_line() -> None:
    assert json.loads(render({"event": "e", "value": Unshowable()}))["value"] == "<Unshowable: RuntimeError>"


def test_deep_and_wide_values_are_bounded() -> None:
    deep: Any = 1
    for _ in range(DEPTH_MAX * 2):
        deep = [deep]
    wide: Any = 1
    for _ in range(DEPTH_MAX):
        wide = [wide] * 1000
    assert b"(1 items)" in render({"deep": deep})
    assert len(render({"wide": wide})) <= LINE_BYTES_MAX
