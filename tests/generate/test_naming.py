from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.generate.naming import Scope, camel, capitals, exported, pascal, snake


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("unit_price", ("unit_price", "unitPrice", "UnitPrice", "UnitPrice", "UNIT_PRICE")),
        ("unitPriceID", ("unit_price_id", "unitPriceId", "UnitPriceId", "UnitPriceID", "UNIT_PRICE_ID")),
        ("HTTPServer", ("http_server", "httpServer", "HTTPServer", "HTTPServer", "HTTP_SERVER")),
        ("größe", ("groe", "groe", "Groe", "Groe", "GROE")),
        ("1st", ("x_1_st", "x1St", "X1St", "X1St", "X_1_ST")),
        ("😀", ("value", "value", "Value", "Value", "VALUE")),
        ("", ("value", "value", "Value", "Value", "VALUE")),
        ("a-b.c d", ("a_b_c_d", "aBCD", "ABCD", "ABCD", "A_B_C_D")),
    ],
)
def test_a_name_is_spelled_as_each_language_does(name: str, spelled: tuple[str, ...]) -> None:
    assert tuple(each(name) for each in (snake, camel, pascal, exported, capitals)) == spelled


@given(st.text())
def test_whatever_a_name_is_an_identifier_comes_of_it(name: str) -> None:
    for each in (snake, camel, pascal, exported, capitals):
        assert re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", each(name))


@given(st.lists(st.sampled_from(["a", "a2", "a_", "class", "class_", "class2"])))
def test_every_name_of_a_scope_is_another(wanted: list[str]) -> None:
    scope = Scope(frozenset({"class"}))
    given_names = [scope.name(each) for each in wanted]
    assert len(set(given_names)) == len(given_names)
    assert "class" not in given_names


def test_a_keyword_gets_a_mark_and_a_name_met_twice_a_number() -> None:
    scope = Scope(frozenset({"type"}))
    assert [scope.name(each) for each in ("type", "type", "x", "x")] == ["type_", "type2", "x", "x2"]
    assert scope.name("x", "other") == "other"
