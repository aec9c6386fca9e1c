"""A task comes out of its row as it went in."""

import sqlite3

from dragoman.core.call import Codec, Priority
from dragoman.tasks.state import State
from dragoman.tasks.stores.sqlite.reading import get
from dragoman.tasks.stores.sqlite.rows import ASIDE_FROM, CODES, STATES
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.work import Work
from tests.tasks.stores.sqlite.conftest import Make


def test_states_keep_their_numbers() -> None:
    assert [STATES[number].value for number in range(9)] == [
        "SCHEDULED",
        "PENDING",
        "RUNNING",
        "RETRYING",
        "SUCCEEDED",
        "FAILED",
        "TIMED_OUT",
        "CANCELLED",
        "DEAD",
    ]
    assert set(CODES) == set(State)


def test_all_that_is_submitted_comes_back(work: Work, db: sqlite3.Connection, make: Make) -> None:
    given = make(
        version="v",
        body=b"\0\xff" * ASIDE_FROM,
        codec=Codec.MSGPACK,
        reply_codec=Codec.ARROW,
        caller="someone",
        priority=Priority.BATCH,
        key="k",
        fingerprint=b"\1",
        submitted_at=5,
        not_before=7,
        deadline=9,
        attempt_s=1.5,
        attempts_max=4,
        trace="00-1-2-3",
        parent="p",
        schedule="s",
        callback=b"{}",
    )

    submit(work, [given])

    found = get(db, given.id, whole=True)
    assert found is not None
    assert found.submission == given
    assert found.state is State.SCHEDULED
    assert found.due_at == 7


def test_only_large_bodies_lie_beside_the_rows(work: Work, db: sqlite3.Connection, make: Make) -> None:
    submit(work, [make(body=b"x" * (ASIDE_FROM - 1)), make(body=b"y" * ASIDE_FROM)])

    assert [row[0] for row in db.execute("SELECT length(data) FROM bodies")] == [ASIDE_FROM]
    outline = get(db, "t2", whole=False)
    assert outline is not None
    assert outline.submission.body == b""
