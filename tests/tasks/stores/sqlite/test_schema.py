"""Tables grow by steps that older hosts can live with, or refuse them clearly."""

import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from dragoman.tasks.liveness import place
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite.opening import connect, ready
from dragoman.tasks.stores.sqlite.schema import MIGRATIONS, Migration, finish, version_of

FIRST = "daf05ff9e8b38ff14ed8cc1987a415120322f25e84ddcea15985a2a8203f99a8"
NEXT = Migration(len(MIGRATIONS) + 1, ("ALTER TABLE tasks ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",))
BREAKING = Migration(len(MIGRATIONS) + 1, ("CREATE TABLE novelty (a)",), ("DROP TABLE schedules",))


def test_steps_are_numbered_without_a_gap() -> None:
    assert [step.number for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_what_was_released_is_never_changed() -> None:
    """Change a table by a further step: files of the first release are out there."""
    spelled = [" ".join(statement.split()) for statement in MIGRATIONS[0].pre]

    assert sha256("\n".join(spelled).encode()).hexdigest() == FIRST


def test_a_file_is_brought_up_to_date_once(db: sqlite3.Connection, path: Path) -> None:
    ready(db, path, (*MIGRATIONS, NEXT))
    ready(db, path, (*MIGRATIONS, NEXT))

    assert version_of(db) == NEXT.number
    assert db.execute("SELECT count(*) FROM pragma_table_info('tasks') WHERE name = 'colour'").fetchone() == (1,)


def test_a_newer_file_is_used_where_it_can_be(db: sqlite3.Connection, path: Path) -> None:
    ready(db, path, (*MIGRATIONS, NEXT))

    ready(db, path, MIGRATIONS)

    assert version_of(db) == NEXT.number


def test_a_newer_file_that_needs_a_newer_program_is_refused(db: sqlite3.Connection, path: Path) -> None:
    ready(db, path, (*MIGRATIONS, BREAKING))

    with pytest.raises(StoreFailed, match=r"newer Dragoman.*upgrade this host"):
        ready(db, path, MIGRATIONS)


def test_what_takes_away_waits_until_no_older_host_has_the_file_open(db: sqlite3.Connection, path: Path) -> None:
    def schedules() -> int:
        return db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'schedules'").fetchone()[0]

    listen = "INSERT INTO listeners (id, pid, born_at, boot, space, version) VALUES (?, ?, ?, ?, ?, ?)"
    db.execute(listen, ("newer", *place(), BREAKING.number))
    db.execute(listen, ("older", *place(), len(MIGRATIONS)))
    ready(db, path, (*MIGRATIONS, BREAKING))
    assert (version_of(db), schedules()) == (BREAKING.number, 1)
    ready(db, path, MIGRATIONS)

    # One that died without a word is in nobody's way.
    db.execute("UPDATE listeners SET pid = ? WHERE id = 'older'", (2**22 + 1,))
    finish(db, (*MIGRATIONS, BREAKING))
    finish(db, (*MIGRATIONS, BREAKING))
    assert schedules() == 0


def test_a_step_that_fails_leaves_the_file_as_it_was(db: sqlite3.Connection, path: Path) -> None:
    broken = Migration(NEXT.number, (*NEXT.pre, "CREATE TABLE tasks (a)"))

    with pytest.raises(StoreFailed):
        ready(db, path, (*MIGRATIONS, broken))

    assert version_of(db) == len(MIGRATIONS)
    connect(path, 1.0).close()
