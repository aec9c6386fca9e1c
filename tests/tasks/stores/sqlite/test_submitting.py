"""What is submitted twice is stored once."""

import sqlite3

from dragoman.tasks.state import State
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.work import Work
from dragoman.tasks.task import Submitted
from tests.tasks.stores.sqlite.conftest import Make


def test_an_id_or_a_key_that_comes_twice_in_one_batch_is_one_task(
    work: Work, db: sqlite3.Connection, make: Make
) -> None:
    answers = submit(
        work,
        [
            make(id="a", key="k", fingerprint=b"1"),
            make(id="a", key="k", fingerprint=b"1"),
            make(id="b", key="k", fingerprint=b"1"),
            make(id="c", key="k", fingerprint=b"2"),
            make(id="d", key="k", caller="other"),
        ],
    )

    assert answers == [
        Submitted("a", created=True, state=State.PENDING),
        Submitted("a", created=False, state=State.PENDING),
        Submitted("a", created=False, state=State.PENDING),
        Submitted("a", created=False, state=State.PENDING, refused=True),
        Submitted("d", created=True, state=State.PENDING),
    ]
    assert [row[0] for row in db.execute("SELECT id FROM tasks")] == ["a", "d"]


def test_a_task_for_later_has_no_turn_yet(work: Work, db: sqlite3.Connection, make: Make) -> None:
    submit(work, [make(), make(submitted_at=1, not_before=2), make()])

    assert db.execute("SELECT state, turn, held FROM tasks ORDER BY n").fetchall() == [(1, 0, 0), (0, 0, 1), (1, 1, 0)]
