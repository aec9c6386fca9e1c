"""The error of a bad body says what and where."""

from dragoman.contract.malformed import Malformed


def test_the_place_is_part_of_the_text() -> None:
    assert str(Malformed("is bad", "/a")) == "is bad (at /a)"
    assert str(Malformed("is bad")) == "is bad"
