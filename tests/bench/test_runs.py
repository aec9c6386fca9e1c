"""Runs note themselves, and rates are those of what has run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from bench.noted import note
from bench.runs import Runs, Sent, end_to_end, rate_of, to_start_ms

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs")


def test_a_run_is_counted_and_timed_from_its_sending(runs: Runs) -> None:
    assert runs.count() == 0
    note(str(runs.path), time.time() - 5)
    note(str(runs.path), time.time() - 7)
    assert runs.count() == 2
    assert to_start_ms(runs, 0) == pytest.approx(6000, abs=900)
    assert to_start_ms(runs, 1) == pytest.approx(7000, abs=900)


def test_end_to_end_counts_what_ran_until_the_last_did(runs: Runs) -> None:
    note(str(runs.path), 0.0)

    def flood() -> Sent:
        for _ in range(10):
            note(str(runs.path), time.time())
        return Sent(10, 0.0)

    begun = time.time()
    rate = end_to_end(runs, flood)
    assert rate >= 10 / (time.time() - begun)


def test_what_never_ran_is_no_rate(runs: Runs) -> None:
    runs.path.touch()
    with pytest.raises(RuntimeError, match="none has run"):
        end_to_end(runs, lambda: Sent(0, 0.0))
    with pytest.raises(RuntimeError, match="1 have run"):
        rate_of([(1.0, 0.0)])
    assert rate_of([(3.0, 0.0), (1.0, 0.0), (2.0, 0.0)]) == 1.0


def test_waiting_ends_with_its_time(runs: Runs) -> None:
    assert not runs.wait(1, 0.05)
