from __future__ import annotations

import json
import math

import pytest

from dragoman.guest.reports import Reports


class Told:
    """Takes what is reported."""

    def __init__(self) -> None:
        self.progress: list[tuple[float, str]] = []

    def report(self, call: int, body: bytes) -> None:
        assert call == 7
        said = json.loads(body)["progress"]
        self.progress.append((said["share"], said["message"]))


def test_of_many_reports_the_first_and_the_last_are_told() -> None:
    told = Told()
    reports = Reports(told, 7)
    for step in range(10):
        reports.progress(step / 100, str(step))
    assert told.progress[0] == (0.0, "0")
    reports.settle()
    assert told.progress[-1] == (0.09, "9")


def test_what_is_no_number_is_refused_where_it_is_said() -> None:
    reports = Reports(Told(), 7)
    reports.progress(0.1, "")
    for _ in range(2):
        with pytest.raises(ValueError, match="no number"):
            reports.progress(math.nan, "")
    reports.settle()


def test_the_last_word_is_told_once() -> None:
    told = Told()
    reports = Reports(told, 7)
    reports.progress(0.25, "a quarter")
    reports.progress(0.5, "half")
    reports.progress(1.0, "done")
    for _ in range(2):
        reports.settle()
    assert told.progress[-1] == (1.0, "done")
    assert len(told.progress) == len(set(told.progress))
