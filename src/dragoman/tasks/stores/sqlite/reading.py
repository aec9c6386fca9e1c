"""What is only read: tasks, their attempts and notes, lists, runners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.tasks.state import State
from dragoman.tasks.stores.sqlite.rows import CODES, OUTLINE, WHOLE, task
from dragoman.tasks.task import Attempt, Beat, Note, Query, Runner, Task

if TYPE_CHECKING:
    import sqlite3

_GET = f"SELECT {OUTLINE} FROM tasks AS t WHERE t.id = ?"  # noqa: S608 - names of columns, all ours
_GET_WHOLE = f"SELECT {WHOLE} FROM tasks AS t WHERE t.id = ?"  # noqa: S608 - as above
_PAST = """
SELECT a.number, a.runner, a.started_at, a.ended_at, a.fault FROM attempts AS a JOIN tasks AS t ON t.n = a.task
WHERE t.id = ? ORDER BY a.number
"""
_LATEST = """
SELECT attempts, runner, started_at, ended_at, CASE WHEN faulted = attempts AND ended_at > 0 THEN fault ELSE x'' END
FROM tasks WHERE id = ? AND started_at > 0
"""
_NOTES = """
SELECT s.seq, s.at, s.level, s.message FROM notes AS s JOIN tasks AS t ON t.n = s.task
WHERE t.id = ? AND s.seq > ? ORDER BY s.seq LIMIT ?
"""
_BEATS = "SELECT id, pid, born_at, boot, space, name, count FROM runners"


def get(db: sqlite3.Connection, id: str, *, whole: bool) -> Task | None:  # noqa: A002 - the field's public name
    """A task."""
    found = db.execute(_GET_WHOLE if whole else _GET, (id,)).fetchone()
    return task(found) if found else None


def attempts(db: sqlite3.Connection, id: str) -> list[Attempt]:  # noqa: A002 - as above
    """The attempts of a task: the latest one stands in its row, the others beside."""
    return [Attempt(*found) for found in (*db.execute(_PAST, (id,)), *db.execute(_LATEST, (id,)))]


def notes(db: sqlite3.Connection, id: str, after: int, limit: int) -> list[Note]:  # noqa: A002 - as above
    """What a task has logged."""
    return [Note(*found) for found in db.execute(_NOTES, (id, after, limit))]


def beats(db: sqlite3.Connection) -> list[Beat]:
    """The runners that are known."""
    return [Beat(Runner(*found[:-1]), found[-1]) for found in db.execute(_BEATS)]


def find(db: sqlite3.Connection, query: Query) -> list[Task]:
    """Outlines of tasks, the newest first.

    Each state by itself has an index in the order that is asked for, several have not: the newest of each are put
    together.
    """
    states = sorted(CODES[state] for state in query.states) or (range(len(State)) if query.function else ())
    narrow = query.parent or query.schedule or query.caller
    found: list[Any] = []
    for state in [None] if narrow or not states else states:
        conditions, values = _conditions(query, state)
        text = ["SELECT", OUTLINE, "FROM tasks AS t"]
        if conditions:
            text += ["WHERE", " AND ".join(conditions)]
        found += db.execute(" ".join((*text, "ORDER BY t.id DESC LIMIT ?")), (*values, query.limit)).fetchall()
    found.sort(key=lambda row: row[0], reverse=True)
    return [task(row) for row in found[: query.limit]]


def _conditions(query: Query, state: int | None) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    for column in ("parent", "schedule", "caller", "function"):
        if value := getattr(query, column):
            conditions.append(f"t.{column} = ?" if column == "function" else f"t.{column} = ? AND t.{column} <> ''")
            values.append(value)
    if state is not None:
        conditions.append("t.state = ?")
        values.append(state)
    elif query.states:
        conditions.append(f"t.state IN ({','.join('?' * len(query.states))})")
        values += [CODES[each] for each in query.states]
    if query.before:
        conditions.append("t.id < ?")
        values.append(query.before)
    return conditions, values
