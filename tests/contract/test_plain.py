"""Foreign values become plain ones, told by how they look."""

from __future__ import annotations

import collections
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dragoman.contract.plain import plain, rows, type_name


class Scalar:
    """Looks like a scalar of numpy."""

    def item(self) -> float:
        return 1.5


class Array:
    """Looks like an array of numpy."""

    def tolist(self) -> list[int]:
        return [1, 2]


class Stubborn:
    """Converts to itself, as an array of objects may."""

    def item(self) -> Any:
        return self


class Frame:
    """Looks like a data frame of pandas."""

    def to_dict(self, orient: str) -> list[dict[str, int]]:
        assert orient == "records"
        return [{"a": 1}]

    def to_numpy(self) -> Array:
        return Array()


class Model:
    """Looks like a model of pydantic."""

    def model_dump(self, *, by_alias: bool) -> dict[str, bool]:
        return {"by_alias": by_alias}


class Text(str):
    """A text of a user's own class."""

    __slots__ = ()

    def __str__(self) -> str:
        return "wrong"


class Moment(datetime):
    """A moment of a user's own class, as pandas has one."""


class Day(date):
    """A day of a user's own class."""


class Span(timedelta):
    """A span of a user's own class."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Scalar(), 1.5),
        (Array(), [1, 2]),
        (Frame(), [{"a": 1}]),
        (Model(), {"by_alias": True}),
        (Text("x"), "x"),
        (Path("/x"), "/x"),
        (Moment(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)),
        (Day(2020, 1, 1), date(2020, 1, 1)),
        (Span(seconds=90), timedelta(seconds=90)),
        (range(3), [0, 1, 2]),
        (collections.deque([1]), [1]),
        ({1: 2}.keys(), [1]),
        ({1: 2}.values(), [2]),
        (iter([1]), [1]),
        (collections.ChainMap({"a": 1}), {"a": 1}),
    ],
)
def test_a_foreign_value_becomes_plain(value: object, expected: object) -> None:
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


@pytest.mark.parametrize("value", [object(), 1j, Stubborn(), (1, 2), None, Exception("x"), int])
def test_what_has_no_honest_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        plain(value)


def test_a_frame_may_be_rows() -> None:
    assert rows(Frame()) == [1, 2]
    assert rows([1]) == [1]


def test_types_are_named_as_they_are_written() -> None:
    assert [type_name(kind) for kind in (int, list[int], Path)] == ["int", "list[int]", "pathlib.Path"]
