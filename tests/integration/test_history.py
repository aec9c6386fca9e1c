"""The checker of storms finds each way in which a promise may be broken."""

from collections import Counter
from typing import Any

import pytest

from tests.integration.history import History, check

GOOD: dict[str, Any] = {
    "id": "t",
    "state": "SUCCEEDED",
    "attempts": 2,
    "finished_at": "2026-01-01T00:00:00.000Z",
    "result": "a",
    "history": [
        {"number": 1, "ended_at": "2026-01-01T00:00:00.000Z", "fault": {"code": "UNAVAILABLE"}},
        {"number": 2, "ended_at": "2026-01-01T00:00:00.000Z", "fault": None},
    ],
}
WELL = {"number": 1, "ended_at": "2026-01-01T00:00:00.000Z", "fault": None}


def found(shown: dict[str, Any] | None, runs: int = 1) -> str:
    history = History()
    history.promised("a", "t")
    return "; ".join(check(history, {} if shown is None else {"t": shown}, Counter({"a": runs})))


def test_a_promise_that_was_kept_is_no_finding() -> None:
    assert not found(GOOD)
    assert not found(GOOD, runs=2)


@pytest.mark.parametrize(
    ("change", "runs", "says"),
    [
        ({"result": "b"}, 1, "result 'b' of another"),
        ({}, 0, "never ran to the end"),
        ({}, 3, "ran 3 times in 2 attempts"),
        ({"state": "RUNNING"}, 1, "never ended"),
        ({"finished_at": None}, 1, "never ended"),
        ({"attempts": 3}, 1, "says 3 attempts"),
        ({"history": [GOOD["history"][0], WELL | {"number": 2, "ended_at": None}]}, 1, "an attempt of it is not"),
        ({"history": [WELL, WELL | {"number": 2}]}, 1, "without a fault are [1, 2]"),
    ],
)
def test_an_end_that_does_not_hold_together_is_found(change: dict[str, Any], runs: int, says: str) -> None:
    assert says in found(GOOD | change, runs)


def test_a_task_that_is_gone_is_found() -> None:
    assert "is lost" in found(None)


def test_a_task_that_nobody_was_promised_is_found() -> None:
    assert "promised to nobody" in check(History(), {"t": GOOD}, Counter("a"))[0]


def test_two_tasks_for_one_key_are_found() -> None:
    history = History()
    history.promised("a", "t")
    history.promised("a", "u")
    assert history.wrong == ["a was promised as t, then as u"]


def test_an_outcome_that_changes_is_found() -> None:
    history = History()
    history.promised("a", "t")
    history.saw(GOOD, "a")
    assert not check(history, {"t": GOOD}, Counter("a"))
    history.saw(GOOD | {"state": "DEAD"}, None)
    assert "then as" in history.wrong[0]
    assert "was seen to end as" in check(history, {"t": GOOD | {"finished_at": "later"}}, Counter("a"))[1]
