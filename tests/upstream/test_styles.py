"""The table of RFC 6570 that OpenAPI refers to, and what must not get through."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.upstream.operation import Parameter, Place
from dragoman.upstream.styles import Unfit, in_cookie, in_header, in_path, in_query

LIST = ["blue", "black"]
TABLE = {"R": 100, "G": 200}


def parameter(place: Place, style: str, *, explode: bool = False, reserved: bool = False) -> Parameter:
    return Parameter("color", "color", place, style, explode, reserved)


@pytest.mark.parametrize(
    ("style", "explode", "value", "written"),
    [
        ("simple", False, LIST, "blue,black"),
        ("simple", True, TABLE, "R=100,G=200"),
        ("simple", False, TABLE, "R,100,G,200"),
        ("label", False, "blue", ".blue"),
        ("label", True, LIST, ".blue.black"),
        ("label", True, TABLE, ".R=100.G=200"),
        ("matrix", False, "blue", ";color=blue"),
        ("matrix", False, LIST, ";color=blue,black"),
        ("matrix", True, LIST, ";color=blue;color=black"),
        ("matrix", True, TABLE, ";R=100;G=200"),
        ("simple", False, True, "true"),
        ("simple", False, 2**64, "18446744073709551616"),
    ],
)
def test_paths(style: str, *, explode: bool, value: Any, written: str) -> None:
    assert in_path(parameter("path", style, explode=explode), value) == written


@pytest.mark.parametrize(
    ("style", "explode", "value", "written"),
    [
        ("form", True, LIST, ["color=blue", "color=black"]),
        ("form", False, LIST, ["color=blue,black"]),
        ("form", True, TABLE, ["R=100", "G=200"]),
        ("form", False, TABLE, ["color=R,100,G,200"]),
        ("spaceDelimited", False, LIST, ["color=blue%20black"]),
        ("pipeDelimited", False, LIST, ["color=blue%7Cblack"]),
        ("deepObject", True, TABLE, ["color%5BR%5D=100", "color%5BG%5D=200"]),
        ("form", True, "", ["color="]),
        ("form", True, [], []),
        ("form", True, None, ["color=null"]),
    ],
)
def test_queries(style: str, *, explode: bool, value: Any, written: list[str]) -> None:
    assert in_query(parameter("query", style, explode=explode), value) == written


def test_reserved_characters_stay_but_those_that_would_be_other_pairs() -> None:
    assert in_query(parameter("query", "form", reserved=True), "a/b?c&d#e+f") == ["color=a/b?c%26d%23e%2Bf"]


@given(st.text())
def test_no_text_leaves_its_place_in_a_path(text: str) -> None:
    try:
        written = in_path(parameter("path", "simple"), text)
    except (Unfit, UnicodeEncodeError):
        return
    assert not set(written) & set("/?#;\\ \r\n")
    assert unquote(written) == text


@pytest.mark.parametrize("value", ["", ".", "..", [], {}])
def test_a_path_is_not_another_path(value: Any) -> None:
    with pytest.raises(Unfit):
        in_path(parameter("path", "simple"), value)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "\0", " a", "ä", ["a", "b\n"]])
def test_a_header_is_one_header(value: Any) -> None:
    with pytest.raises(Unfit) as raised:
        in_header(parameter("header", "simple"), value)
    assert raised.value.breach.path == "/color"


def test_cookies_are_encoded() -> None:
    assert in_cookie(parameter("cookie", "form"), "a; b=c") == "color=a%3B%20b%3Dc"
    assert in_cookie(parameter("cookie", "form"), LIST) == "color=blue%2Cblack"
    assert in_header(parameter("header", "simple"), TABLE) == "R,100,G,200"
