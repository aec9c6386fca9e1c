"""What follows from a task's end is done with it."""

import sqlite3

import pytest

from dragoman.tasks.state import IllegalTransition, State, Step
from dragoman.tasks.stores.sqlite.asking import cancel
from dragoman.tasks.stores.sqlite.running import claim
from dragoman.tasks.stores.sqlite.settling import settle
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.work import Work
from dragoman.tasks.task import Outcome, Want
from tests.tasks.stores.sqlite.conftest import Make


def test_a_task_that_waits_for_others_goes_on_with_the_last_of_them(
    work: Work, db: sqlite3.Connection, make: Make
) -> None:
    submit(work, [make(function="parent"), make(), make(), make()])
    token = claim(work, "r", [Want("parent", 1)], 1)[0].token
    settle(work, [Outcome("t1", token, Step.SUSPEND, 2, waits_for=("t2", "t3", "nobody"))])
    assert work.find(["t1"])["t1"].waits_for == 2

    cancel(work, "t2", 3)
    assert work.find(["t1"])["t1"].state is State.SCHEDULED
    cancel(work, "t3", 3)

    assert work.find(["t1"])["t1"].state is State.PENDING
    assert db.execute("SELECT count(*) FROM waits").fetchone() == (0,)


def test_what_ends_while_it_waits_waits_no_more(work: Work, db: sqlite3.Connection, make: Make) -> None:
    submit(work, [make(function="parent"), make()])
    token = claim(work, "r", [Want("parent", 1)], 1)[0].token
    settle(work, [Outcome("t1", token, Step.SUSPEND, 2, waits_for=("t2",))])

    cancel(work, "t1", 3)
    cancel(work, "t2", 3)

    assert work.find(["t1"])["t1"].state is State.CANCELLED
    assert db.execute("SELECT count(*) FROM waits").fetchone() == (0,)


def test_no_task_moves_but_by_the_table(work: Work, make: Make) -> None:
    submit(work, [make()])
    row = work.find(["t1"])["t1"]

    with pytest.raises(IllegalTransition):
        work.step(row, Step.SUCCEED)


def test_changes_are_kept_for_others_only_where_there_are_any(work: Work, db: sqlite3.Connection, make: Make) -> None:
    submit(work, [make()])
    work.finish(listener="me", others=False)
    assert db.execute("SELECT count(*) FROM changes").fetchone() == (0,)

    cancel(work, "t1", 2)
    work.finish(listener="me", others=True)

    assert db.execute("SELECT task, state, origin FROM changes").fetchall() == [("t1", 7, "me")]
