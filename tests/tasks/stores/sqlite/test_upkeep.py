"""Old tasks are forgotten with all that belongs to them; counts stay true."""

import sqlite3

from dragoman.tasks.stores.sqlite.asking import cancel
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.upkeep import census, fire, last_slot, prune
from dragoman.tasks.stores.sqlite.work import Work
from dragoman.tasks.task import US, Keeping
from tests.tasks.stores.sqlite.conftest import Make


def test_what_is_forgotten_leaves_nothing_behind(work: Work, db: sqlite3.Connection, make: Make) -> None:
    submit(work, [make(body=b"x" * 5000), make()])
    cancel(work, "t1", US)

    assert prune(work, Keeping(1.0, 0), 3 * US, 10) == 1

    work.finish(listener="", others=False)
    assert [row[0] for row in db.execute("SELECT id FROM tasks")] == ["t2"]
    assert db.execute("SELECT count(*) FROM bodies").fetchone() == (0,)
    assert sum(census(db).counts.values()) == 1


def test_the_oldest_of_too_many_go_but_not_what_is_yet_to_be_told(
    work: Work, db: sqlite3.Connection, make: Make
) -> None:
    submit(work, [make(callback=b"x"), make(), make(), make()])
    for number in range(1, 4):
        cancel(work, f"t{number}", number)
    work.finish(listener="", others=False)

    assert prune(work, Keeping(0, 1), 9, 10) == 2
    assert [row[0] for row in db.execute("SELECT id FROM tasks ORDER BY n")] == ["t1", "t4"]


def test_a_moment_of_a_schedule_is_fired_once(work: Work, db: sqlite3.Connection, make: Make) -> None:
    assert last_slot(db, "nightly") == 0
    assert fire(work, "nightly", 5, make())
    assert not fire(work, "nightly", 5, make())
    assert not fire(work, "nightly", 4, make())
    assert fire(work, "nightly", 6, None)
    assert last_slot(db, "nightly") == 6
    assert db.execute("SELECT count(*) FROM tasks").fetchone() == (1,)
