from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.function import check_name
from dragoman.upstream.naming import clean, function_name, keys


@pytest.mark.parametrize(
    ("operation_id", "method", "path", "name"),
    [
        ("getUser", "GET", "/users/{id}", "getUser"),
        ("users/get user", "GET", "/", "users_get_user"),
        (None, "GET", "/users/{id}", "get_users_id"),
        ("", "POST", "/", "post"),
        (7, "PUT", "/a.b-c", "put_a_b-c"),
        ("1st", "GET", "/", "_1st"),
        ("äöü", "GET", "/", "operation"),
    ],
)
def test_an_operation_has_a_name_that_a_function_may_have(
    operation_id: object, method: str, path: str, name: str
) -> None:
    assert function_name(operation_id, method, path) == name


@given(st.text(min_size=1))
def test_every_text_becomes_a_name(text: str) -> None:
    check_name(clean(text))


def test_a_name_that_places_share_is_told_apart() -> None:
    found = keys([("id", "path"), ("id", "query"), ("n", "query")])
    assert found == {("id", "path"): "id_path", ("id", "query"): "id_query", ("n", "query"): "n"}
