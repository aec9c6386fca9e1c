"""Argument lists: what a value becomes, and what it can never become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.fault import InvalidArgument, Started
from dragoman.guest.template import ARGUMENTS_MAX, Template

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def fill(*arguments: str, defaults: dict[str, Any] | None = None, **values: Any) -> list[str]:
    return [each.decode() for each in Template(arguments, defaults or {}).fill(values)]


@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("{v}", "plain text; $(rm) 'x'", ["plain text; $(rm) 'x'"]),
        ("{v}", "", [""]),
        ("{v}", 2**63, ["9223372036854775808"]),
        ("{v}", 0.5, ["0.5"]),
        ("{v}", True, ["true"]),
        ("{v}", {"a": [1, "ü"]}, ['{"a":[1,"ü"]}']),
        ("{v}", ["a", 1, None, [2]], ["a", "1", "[2]"]),
        ("{v}", [], []),
        ("{v}", None, []),
        ("--min={v}", 3, ["--min=3"]),
        ("--min={v}", None, []),
        ("--all={v}", ["a", "b"], ['--all=["a","b"]']),
        ("--x={v}", "-5", ["--x=-5"]),
        ("{{v}}", "x", ["{v}"]),
        ("{print $1}", "x", ["{print $1}"]),
        ("a{v}b{{{v}}}", 1, ["a1b{1}"]),
        ("{", "x", ["{"]),
        ("{{v}} {v}", "{v}", ["{v} {v}"]),
    ],
)
def test_a_value_goes_in_as_its_type_says(argument: str, value: Any, expected: list[str]) -> None:
    assert fill(argument, v=value) == expected


def test_a_missing_value_takes_its_argument_away_unless_it_has_a_default() -> None:
    assert fill("--a={a}", "--b={b}", "end", defaults={"b": 2}) == ["--b=2", "end"]
    assert fill("--b={b}", defaults={"b": 2}, b=None) == []


@pytest.mark.parametrize("value", ["-rf", "--checkpoint-action=exec=sh", "-", -1, ["ok", "-v"]])
def test_no_value_becomes_an_option(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="begins with '-'") as caught:
        fill("{v}", v=value)
    assert caught.value.started is Started.NO
    assert caught.value.errors[0].path.startswith("/v")


def test_two_values_cannot_make_an_option_together() -> None:
    with pytest.raises(InvalidArgument):
        fill("{a}{b}", a="", b="-x")


def test_after_two_literal_dashes_a_value_may_begin_with_one() -> None:
    assert fill("--", "{v}", "{w}", v="-rf", w=["-a"]) == ["--", "-rf", "-a"]
    with pytest.raises(InvalidArgument):
        fill("{v}", "--", v="-rf")
    with pytest.raises(InvalidArgument):
        fill("{w}", "{v}", w="x", v="--")


def test_the_callers_own_arguments_may_be_options() -> None:
    assert fill("{args}", args=["-n", "5"]) == ["-n", "5"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [("a\0b", "NUL"), ("\ud800", "surrogate"), ("raw \udcff byte", "surrogate"), ("x" * 131072, "131072 bytes")],
)
def test_what_no_argument_can_hold_is_refused_by_name(value: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=rf"/v .*{problem}"):
        fill("{v}", v=value)


def test_too_many_arguments_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="arguments"):
        fill("{v}", v=["x"] * (ARGUMENTS_MAX + 1))


@given(JSON)
def test_whatever_the_value_no_option_and_no_nul_come_out(value: Any) -> None:
    try:
        filled = fill("{v}", "--x={v}", v=json.loads(json.dumps(value)))
    except InvalidArgument:
        return
    assert not any("\0" in each for each in filled)
    assert all(each.startswith("--x=") or not each.startswith("-") for each in filled)
