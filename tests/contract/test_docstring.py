"""Docstrings of three styles say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.docstring import parse

GOOGLE = """Add two numbers.

    It is exact: no rounding.

    Args:
        a: the first one,
            of two
        b (int, optional): the second: last

    Returns:
        int: the sum

    Raises:
        ValueError: never
    """
NUMPY = """Add two numbers.

    It is exact: no rounding.

    Parameters
    ----------
    a : int
        the first one,
        of two
    b : int, optional
        the second: last

    Returns
    -------
    int
        int: the sum

    Notes
    -----
    None.
    """
SPHINX = """Add two numbers.

    It is exact: no rounding.

    :param a: the first one,
        of two
    :param int b: the second: last
    :type b: int
    :returns: int: the sum
    :raises ValueError: never
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_each_style_is_understood(text: str) -> None:
    documented = parse(text)
    assert documented.description == "Add two numbers.\n\nIt is exact: no rounding."
    assert documented.parameters == {"a": "the first one, of two", "b": "the second: last"}
    assert documented.result == "int: the sum"


def test_two_parameters_may_share_a_numpy_entry() -> None:
    assert parse("S.\n\nParameters\n----------\nx, y : int\n    both\n").parameters == {"x": "both", "y": "both"}


def test_a_sentence_with_a_colon_is_no_section() -> None:
    assert parse("Note: this is text.\n\nArgs is a word.").description == "Note: this is text.\n\nArgs is a word."


@pytest.mark.parametrize("text", [None, "", "   "])
def test_no_docstring_says_nothing(text: str | None) -> None:
    documented = parse(text)
    assert (documented.description, documented.parameters) == ("", {})


@given(st.text(alphabet=" \n:-ABargsx()*", max_size=200))
def test_any_text_is_read(text: str) -> None:
    parse(text)
    parse(f"Args:\n{text}")
    parse(f"Parameters\n---\n{text}")
