"""Public annotated functions are offered, and for others it is said why not."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from dragoman.contract.marker import function
from dragoman.contract.offering import is_offered, reason_not_offered


def public(a: int, *, b: str = "") -> None:
    """Do nothing."""


def bare(a, b: int = 1):  # noqa: ANN001, ANN201 - what is tested
    """Do nothing."""


def unresolved(a: Nowhere) -> None:  # noqa: F821 - what is tested
    """Do nothing."""


@functools.wraps(public)
def wrapped(*args: Any, **kwargs: Any) -> None:
    """Do nothing."""


@function
def marked(a):  # noqa: ANN001, ANN201 - what is tested
    """Do nothing."""


def variadic(*args) -> None:  # noqa: ANN002 - what is tested
    """Do nothing."""


def nested() -> object:
    """A function inside of another."""

    def inner() -> None: ...

    return inner


def _private(a: int) -> None:
    """Do nothing."""


@pytest.mark.parametrize("target", [public, wrapped, marked, unresolved])
def test_a_public_annotated_or_marked_function_is_offered(target: object) -> None:
    assert is_offered(target)
    assert reason_not_offered(target) == ""


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (bare, "parameter `a` has no annotation"),
        (variadic, "parameter `args` has no annotation"),
        (_private, "underscore"),
        (int, "not a plain function"),
        (functools.partial(public, 1), "not a plain function"),
        (lambda: 1, "cannot be a function's name"),
        (nested(), "top level"),
    ],
)
def test_anything_else_is_not_and_it_is_said_why(target: object, reason: str) -> None:
    assert not is_offered(target)
    assert reason in reason_not_offered(target)
