"""Contestants take turns, and one that fails leaves the others in."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import pytest

from bench.contest import contest
from bench.outcome import Comparison, Sample
from bench.system import Missing

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.contest import Contestant, Turn


class Race:
    """Contestants that write down when they run; `fails_at` is the turn in which one breaks."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @contextlib.contextmanager
    def contestant(self, name: str, fails_at: int = 99) -> Generator[Turn]:
        if fails_at < 0:
            raise Missing("no such tool: install it")
        turns = 0

        def turn() -> Sample:
            nonlocal turns
            turns += 1
            self.log.append(name)
            if turns > fails_at:
                raise RuntimeError("it broke")
            return {"rate_s": float(turns)}

        yield turn
        self.log.append(f"{name} stopped")

    def run(self, **fails_at: int) -> Comparison:
        contestants: dict[str, Contestant] = {
            name: partial(self.contestant, name, turn) for name, turn in fails_at.items()
        }
        return contest(Comparison("a race"), contestants, 3)


def test_turns_alternate_and_everyone_is_stopped() -> None:
    race = Race()
    found = race.run(a=99, b=99)
    assert race.log == ["a", "b", "a", "b", "a", "b", "b stopped", "a stopped"]
    assert [(row.contestant, row.figures) for row in found.rows] == [("a", {"rate_s": 2.0}), ("b", {"rate_s": 2.0})]


def test_one_that_cannot_start_is_a_note() -> None:
    found = Race().run(a=-1, b=99)
    assert [row.contestant for row in found.rows] == ["b"]
    assert found.notes == ["a was not measured: no such tool: install it"]


def test_one_that_breaks_takes_no_more_turns() -> None:
    race = Race()
    found = race.run(a=1, b=99)
    assert race.log.count("a") == 2
    assert found.notes == ["a was not measured: it broke"]
    assert "a stopped" in race.log


def test_a_mistake_in_the_bench_itself_is_not_hidden() -> None:
    @contextlib.contextmanager
    def wrong() -> Generator[Turn]:
        yield lambda: {"rate_s": 1 / 0}

    with pytest.raises(ZeroDivisionError):
        contest(Comparison("a race"), {"wrong": wrong}, 1)
