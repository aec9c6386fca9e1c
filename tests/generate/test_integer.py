from __future__ import annotations

import pytest

from dragoman.generate.integer import width, width_of
from dragoman.generate.model import Integer


@pytest.mark.parametrize(
    ("least", "most", "plain", "big"),
    [
        (None, None, "int64", "big"),
        (0, None, "int64", "big"),
        (0, 255, "uint8", "uint8"),
        (0, 256, "int64", "int64"),
        (-(2**63), 2**63 - 1, "int64", "int64"),
        (0, 2**64 - 1, "uint64", "uint64"),
        (1, 2**64 - 1, "uint64", "uint64"),
        (-1, 2**64 - 1, "big", "big"),
        (0, 2**64, "big", "big"),
    ],
)
def test_the_width_holds_every_value(least: int | None, most: int | None, plain: str, big: str) -> None:
    assert width(Integer(least, most), big=False) == plain
    assert width(Integer(least, most), big=True) == big


def test_the_width_of_a_choice_holds_all_of_it() -> None:
    assert [width_of(each) for each in ((1, -1), (1, 2**63), (-1, 2**63))] == ["int64", "uint64", "big"]
