"""Changes of other processes are told of, even where some were forgotten before they were seen."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.tasks.liveness import place
from dragoman.tasks.state import State
from dragoman.tasks.stores.sqlite.asking import cancel
from dragoman.tasks.stores.sqlite.hearing import CHANGES_AT_ONCE, POLL_S, Hearing
from dragoman.tasks.stores.sqlite.opening import connect
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.turns import Turns
from dragoman.tasks.stores.sqlite.work import Work
from tests.tasks.stores.sqlite.conftest import Make


def denying(_: int, table: str | None, *__: str | None) -> int:
    """Nobody reads the tasks."""
    return sqlite3.SQLITE_DENY if table == "tasks" else sqlite3.SQLITE_OK


@pytest.fixture
def own(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(path, 1.0)) as own:
        yield own


@pytest.fixture
def hearing(own: sqlite3.Connection) -> Hearing:
    return Hearing(own, "me", 1)


def test_changes_of_others_are_told_of_once_and_as_they_are_now(
    hearing: Hearing, own: sqlite3.Connection, work: Work, make: Make
) -> None:
    assert hearing.changes() == []
    assert hearing.patience_s is None
    hearing.begin(Work(own, Turns(own)))
    assert hearing.changes() == []
    assert hearing.patience_s == POLL_S

    submit(work, [make()])
    cancel(work, "t1", 5)
    work.changes = work.changes[:1]
    work.finish(listener="other", others=True)

    assert [(each.id, each.state) for each in hearing.changes()] == [("t1", State.CANCELLED)]
    assert hearing.changes() == []
    submit(work, [make()])
    work.finish(listener="me", others=True)
    assert hearing.changes() == []


def test_who_has_missed_some_is_told_of_all_tasks(
    hearing: Hearing, own: sqlite3.Connection, work: Work, make: Make, db: sqlite3.Connection
) -> None:
    hearing.begin(Work(own, Turns(own)))
    submit(work, [make(id=f"{number:05}") for number in range(CHANGES_AT_ONCE + 5)])
    cancel(work, "00003", 1)
    work.finish(listener="other", others=True)
    db.execute("DELETE FROM changes WHERE n <= 10")

    told = {change.id: change.state for _ in range(5) for change in hearing.changes()}

    assert len(told) == CHANGES_AT_ONCE + 5
    assert told["00003"] is State.CANCELLED
    assert hearing.patience_s == POLL_S


def test_a_look_that_fails_is_made_again_and_not_at_once(
    hearing: Hearing, own: sqlite3.Connection, work: Work, make: Make
) -> None:
    hearing.begin(Work(own, Turns(own)))
    submit(work, [make(id=f"{number:05}") for number in range(CHANGES_AT_ONCE + 5)])
    work.finish(listener="other", others=True)

    own.set_authorizer(denying)
    with pytest.raises(sqlite3.Error):
        hearing.changes()
    assert hearing.patience_s == POLL_S
    own.set_authorizer(None)

    assert len(hearing.changes()) == CHANGES_AT_ONCE
    assert hearing.patience_s == 0
    assert len(hearing.changes()) == 5
    assert hearing.patience_s == POLL_S


def test_nothing_is_kept_for_those_who_are_gone(
    hearing: Hearing, own: sqlite3.Connection, db: sqlite3.Connection
) -> None:
    gone = place()._replace(pid=2**22 + 1)
    db.execute("INSERT INTO listeners VALUES ('gone', ?, ?, ?, ?, 1)", gone)
    assert hearing.others()

    hearing.begin(Work(own, Turns(own)))

    assert not hearing.others()
    assert db.execute("SELECT id FROM listeners").fetchall() == [("me",)]
    hearing.end()
    assert db.execute("SELECT id FROM listeners").fetchall() == []
