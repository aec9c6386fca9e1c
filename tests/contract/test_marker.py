"""The marker leaves a function as it was, with options on it."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import pytest

from dragoman.contract.function import ContractError
from dragoman.contract.marker import Marker, function, marker_of


def plain() -> None:
    """Do nothing."""


def test_a_function_without_marker_has_none() -> None:
    assert marker_of(plain) is None


def test_a_bare_marker_returns_the_function_itself() -> None:
    def marked() -> int:
        return 1

    assert function(marked) is marked
    assert marker_of(marked) == Marker()


def test_options_are_kept() -> None:
    @function(name="other", version="1.2.0", description="d", idempotent=True)
    def marked() -> int:
        return 1

    assert marked() == 1
    assert marker_of(marked) == Marker("other", "1.2.0", "d", idempotent=True)


def test_an_unknown_option_is_named_with_the_known_ones() -> None:
    options: dict[str, Any] = {"colour": "red"}
    with pytest.raises(TypeError, match=r"colour.*name, version, description, idempotent"):
        function(**options)


@pytest.mark.parametrize("options", [{"idempotent": 1}, {"name": None}, {"version": 1.2}])
def test_an_option_of_the_wrong_type_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="takes a"):
        function(**options)


@pytest.mark.parametrize("options", [{"name": "a.b"}, {"version": "one"}])
def test_a_bad_name_or_version_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        function(**options)


def test_an_option_given_by_place_is_refused() -> None:
    target: Any = "name"
    with pytest.raises(TypeError, match="marks a function"):
        function(target)


class Whatever:
    """No function."""

    def __call__(self, a: int) -> int:
        """Be called."""
        return a


@pytest.mark.parametrize("target", [Whatever, Whatever(), partial(max, 1), len])
def test_what_is_no_function_is_refused_at_once(target: Any) -> None:
    with pytest.raises(TypeError, match="wrap it in a `def`"):
        function(target)


def test_a_function_below_a_decorator_may_be_marked() -> None:
    @function
    @cache
    def cached(a: int) -> int:
        return a

    assert marker_of(cached) is not None
