"""Outcomes are recorded once, under the right token; what is said is kept up to a bound."""

import sqlite3

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.sqlite.running import claim
from dragoman.tasks.stores.sqlite.settling import settle, tell
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.work import Work
from dragoman.tasks.task import NOTES_MAX, Outcome, Told, Want
from tests.tasks.stores.sqlite.conftest import Make


def test_a_task_is_settled_once_even_in_one_batch(work: Work, make: Make) -> None:
    submit(work, [make()])
    token = claim(work, "r", [Want("f", 1)], 1)[0].token

    outcomes = [
        Outcome("t1", token + 1, Step.FAIL, 2),
        Outcome("t1", token, Step.SUCCEED, 2, b"1"),
        Outcome("t1", token, Step.FAIL, 2),
        Outcome("nobody", token, Step.FAIL, 2),
    ]

    assert settle(work, outcomes) == [False, True, False, False]
    assert work.find(["t1"])["t1"].state is State.SUCCEEDED


def test_the_latest_notes_are_kept(work: Work, db: sqlite3.Connection, make: Make) -> None:
    submit(work, [make()])
    token = claim(work, "r", [Want("f", 1)], 1)[0].token

    for start in range(0, 3 * NOTES_MAX, NOTES_MAX // 2):
        lines = tuple(("info", str(start + number)) for number in range(NOTES_MAX // 2))
        tell(work, [Told("t1", token, 2, lines=lines)])

    kept = [int(row[0]) for row in db.execute("SELECT message FROM notes ORDER BY seq")]
    assert kept == list(range(2 * NOTES_MAX, 3 * NOTES_MAX))
