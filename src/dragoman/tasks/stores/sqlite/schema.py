"""The tables, as numbered steps: each brings a file from one version to the next, and never changes once released.

A step has two halves. `pre` adds what older hosts may do without: tables, indexes, columns with a default. They go on
reading and writing the file beside newer ones, so every statement of ours names its columns. `post`, which not every
step has, takes away or forbids what only older hosts need; it waits until none of them has the file open (`listeners`),
and from then on they are refused.

States are kept as numbers (`rows.CODES`), ids as text. What is asked for all the time has an index of its own that
holds what is open only, so that a million tasks that have ended cost nobody anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dragoman.tasks.liveness import Place, has_gone
from dragoman.tasks.store import StoreFailed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

APPLICATION_ID = 0x4472676D
"""`Drgm`: in the head of the file, so that no other program's database is taken for ours."""


class Migration(NamedTuple):
    """One step: its number, the statements that add, and those that take away."""

    number: int
    pre: tuple[str, ...]
    post: tuple[str, ...] = ()


FIRST = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """
    CREATE TABLE tasks (
        n INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        state INTEGER NOT NULL,
        function TEXT NOT NULL,
        version TEXT NOT NULL,
        caller TEXT NOT NULL,
        priority INTEGER NOT NULL,
        turn INTEGER NOT NULL DEFAULT 0,
        held INTEGER NOT NULL DEFAULT 0,
        due_at INTEGER NOT NULL,
        deadline INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        attempts_max INTEGER NOT NULL,
        token INTEGER NOT NULL DEFAULT 0,
        runner TEXT NOT NULL DEFAULT '',
        started_at INTEGER NOT NULL DEFAULT 0,
        ended_at INTEGER NOT NULL DEFAULT 0,
        finished_at INTEGER NOT NULL DEFAULT 0,
        cancelling INTEGER NOT NULL DEFAULT 0,
        waits_for INTEGER NOT NULL DEFAULT 0,
        seq INTEGER NOT NULL DEFAULT 1,
        progress REAL NOT NULL DEFAULT 0,
        message TEXT NOT NULL DEFAULT '',
        faulted INTEGER NOT NULL DEFAULT 0,
        submitted_at INTEGER NOT NULL,
        not_before INTEGER NOT NULL,
        attempt_s REAL NOT NULL,
        codec INTEGER NOT NULL,
        reply_codec INTEGER NOT NULL,
        result_codec INTEGER NOT NULL DEFAULT 0,
        key TEXT NOT NULL,
        fingerprint BLOB NOT NULL,
        trace TEXT NOT NULL,
        parent TEXT NOT NULL,
        schedule TEXT NOT NULL,
        callback BLOB NOT NULL,
        fault BLOB NOT NULL DEFAULT x'',
        body BLOB,
        result BLOB DEFAULT x''
    )
    """,
    "CREATE TABLE bodies (slot INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    """
    CREATE TABLE attempts (
        task INTEGER, number INTEGER, runner TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
        fault BLOB NOT NULL, PRIMARY KEY (task, number)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE notes (
        task INTEGER, seq INTEGER, at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL,
        PRIMARY KEY (task, seq)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE waits (target INTEGER, waiter INTEGER, PRIMARY KEY (target, waiter)) WITHOUT ROWID",
    """
    CREATE TABLE flows (
        function TEXT, priority INTEGER, caller TEXT, finish INTEGER NOT NULL, PRIMARY KEY (function, priority, caller)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE clocks (function TEXT, priority INTEGER, turn INTEGER NOT NULL, PRIMARY KEY (function, priority))
    WITHOUT ROWID
    """,
    """
    CREATE TABLE tallies (function TEXT, state INTEGER, count INTEGER NOT NULL, PRIMARY KEY (function, state))
    WITHOUT ROWID
    """,
    """
    CREATE TABLE runners (
        id TEXT PRIMARY KEY, count INTEGER NOT NULL, pid INTEGER NOT NULL, born_at REAL NOT NULL, boot TEXT NOT NULL,
        space TEXT NOT NULL, name TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE deliveries (
        n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task INTEGER NOT NULL, target BLOB NOT NULL,
        state INTEGER NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL, attempts_max INTEGER NOT NULL,
        deadline INTEGER NOT NULL, due_at INTEGER NOT NULL, started_at INTEGER NOT NULL, finished_at INTEGER NOT NULL,
        progress REAL NOT NULL, message TEXT NOT NULL, fault BLOB NOT NULL,
        number INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0,
        runner TEXT NOT NULL DEFAULT '', token INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,
        trouble TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE TABLE schedules (name TEXT PRIMARY KEY, slot INTEGER NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE listeners (
        id TEXT PRIMARY KEY, pid INTEGER NOT NULL, born_at REAL NOT NULL, boot TEXT NOT NULL, space TEXT NOT NULL,
        version INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE changes (
        n INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, function TEXT NOT NULL, state INTEGER NOT NULL,
        seq INTEGER NOT NULL, cancelling INTEGER NOT NULL, origin TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX tasks_id ON tasks (id)",
    "CREATE UNIQUE INDEX tasks_key ON tasks (function, caller, key) WHERE key <> ''",
    "CREATE INDEX tasks_ready ON tasks (function, priority, turn, due_at) WHERE state = 1 AND held = 0",
    "CREATE INDEX tasks_oldest ON tasks (function, due_at) WHERE state = 1 AND held = 0",
    "CREATE INDEX tasks_running ON tasks (function, runner) WHERE state = 2",
    "CREATE INDEX tasks_cancelling ON tasks (runner) WHERE state = 2 AND cancelling = 1",
    "CREATE INDEX tasks_due ON tasks (due_at) WHERE held = 1",
    "CREATE INDEX tasks_deadline ON tasks (deadline) WHERE deadline > 0 AND state IN (0, 1, 3)",
    "CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at > 0",
    "CREATE INDEX tasks_state ON tasks (state, id)",
    "CREATE INDEX tasks_function ON tasks (function, state, id)",
    "CREATE INDEX tasks_caller ON tasks (caller, state, id) WHERE caller <> ''",
    "CREATE INDEX tasks_parent ON tasks (parent, state, id) WHERE parent <> ''",
    "CREATE INDEX tasks_schedule ON tasks (schedule, state, id) WHERE schedule <> ''",
    "CREATE INDEX waits_waiter ON waits (waiter)",
    "CREATE INDEX deliveries_due ON deliveries (next_at) WHERE dead = 0 AND runner = ''",
    "CREATE INDEX deliveries_runner ON deliveries (runner) WHERE runner <> ''",
    "CREATE INDEX deliveries_dead ON deliveries (n) WHERE dead = 1",
    "CREATE INDEX deliveries_task ON deliveries (task)",
)

MIGRATIONS = (Migration(1, FIRST),)
"""All steps, in order."""

_NEEDS = """
INSERT INTO meta (key, value) VALUES ('needs', ?) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)
"""


def version_of(db: sqlite3.Connection) -> int:
    """The version of the tables in a file; 0 where there are none."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def refuse_strangers(db: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Raise `StoreFailed` where a file is another program's, or written by a newer one that we cannot live with."""
    version, ours = version_of(db), steps[-1].number
    application = int(db.execute("PRAGMA application_id").fetchone()[0])
    if application != APPLICATION_ID or not version:
        raise StoreFailed("is a database of another program: name another file for the tasks")
    needs = _needs(db)
    if needs > ours:
        raise StoreFailed(
            f"was written by a newer Dragoman (tables of version {version}, which hosts of version {needs} and later "
            f"can use; this one is {ours}): upgrade this host, or name another file for the tasks"
        )


def upgrade(db: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Run the first halves of steps that a file has not seen, all in one transaction of the caller's."""
    version = version_of(db)
    missing = [step for step in steps if step.number > version]
    if not missing:
        return
    for step in missing:
        for statement in step.pre:
            db.execute(statement)
    db.execute(_NEEDS, (1,))
    # Parameters are not allowed in a PRAGMA; the number is one of ours.
    db.execute(f"PRAGMA user_version = {missing[-1].number:d}")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")


def finish(db: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Run the second halves that no older host is in the way of any more, in a transaction of the caller's."""
    needs = _needs(db)
    for step in steps:
        if not step.post or step.number <= needs:
            continue
        older = db.execute("SELECT pid, born_at, boot, space FROM listeners WHERE version < ?", (step.number,))
        if not all(has_gone(Place(*found)) for found in older.fetchall()):
            return
        for statement in step.post:
            db.execute(statement)
        db.execute(_NEEDS, (step.number,))


def _needs(db: sqlite3.Connection) -> int:
    """The oldest version of the program that can use the file."""
    return int(db.execute("SELECT value FROM meta WHERE key = 'needs'").fetchone()[0])
