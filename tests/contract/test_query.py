"""Query strings become input by the schema's types."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.query import parse
from dragoman.core.fault import InvalidArgument, Started

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "i": {"type": "integer"},
        "f": {"type": "number"},
        "b": {"type": "boolean"},
        "s": {"type": "string"},
        "a": {"type": "array", "items": {"type": "integer"}},
        "o": {"$ref": "#/$defs/O"},
        "u": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "t": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "l": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        "e": {"enum": ["x", 1]},
        "x": {},
    },
    "$defs": {"O": {"type": "object"}},
}


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("", {}),
        ("&&", {}),
        ("i=-3&f=1.5e3&b=true&s=3", {"i": -3, "f": 1500.0, "b": True, "s": "3"}),
        ("i=99999999999999999999", {"i": 99999999999999999999}),
        ("f=2", {"f": 2.0}),
        ("s=", {"s": ""}),
        ("s=a+b%20%C3%A4%26", {"s": "a b ä&"}),
        ("a=1", {"a": [1]}),
        ("a=1&a=2", {"a": [1, 2]}),
        ("a=[1,2]", {"a": [1, 2]}),
        ("o=%7B%22k%22:1%7D", {"o": {"k": 1}}),
        ("u=null", {"u": None}),
        ("u=5", {"u": 5}),
        ("t=null", {"t": None}),
        ("t=x", {"t": "x"}),
        ("l=q", {"l": ["q"]}),
        ("l=null", {"l": None}),
        ("e=x", {"e": "x"}),
        ("e=1", {"e": 1}),
        ("x=abc", {"x": "abc"}),
        ("x=[1]", {"x": [1]}),
        ("unknown=1", {"unknown": 1}),
    ],
)
def test_text_is_read_as_the_type_of_its_parameter(query: str, value: dict[str, Any]) -> None:
    assert parse(query, SCHEMA, "s.f") == value


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("i=x&f=nan&b=1", ["/i", "/f", "/b"]),
        ("i=1.5", ["/i"]),
        ("i=1&i=2", ["/i"]),
        ("i=01", ["/i"]),
        ("f=1e999", ["/f"]),
        ("a=1&a=z", ["/a"]),
        ("a=[1", ["/a"]),
        ("o=5x", ["/o"]),
        ("s=%ff", ["/s"]),
    ],
)
def test_text_that_is_no_such_type_is_refused_with_every_place(query: str, paths: list[str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(query, SCHEMA, "s.f")
    assert [breach.path for breach in caught.value.errors] == paths
    assert caught.value.started is Started.NO
    assert caught.value.detail.startswith(f"the input of s.f breaks its contract: {paths[0]} ")


def test_too_many_values_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="more than"):
        parse("&".join(["a=1"] * 20_000), SCHEMA, "s.f")


@given(st.text(max_size=60), st.sampled_from(["i", "f", "b", "s", "a", "o", "u", "l", "e", "x"]))
def test_any_text_is_read_or_refused(text: str, name: str) -> None:
    with suppress(InvalidArgument):
        parse(f"{name}={text}", SCHEMA, "s.f")
