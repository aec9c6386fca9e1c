"""What is only read: tasks, their attempts and notes, lists, runners."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from dragoman.tasks.stores.sqlite.rows import CODES, OUTLINE, STATES, WHOLE, task
from dragoman.tasks.stores.sqlite.statements import listed
from dragoman.tasks.task import Attempt, Beat, Note, Query, Runner, Task

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

_GET = f"SELECT {OUTLINE} FROM tasks AS t WHERE t.id = ?"  # noqa: S608 - names of columns, all ours
_GET_WHOLE = f"SELECT {WHOLE} FROM tasks AS t WHERE t.id = ?"  # noqa: S608 - as above
_ATTEMPTS = """
SELECT a.number, a.runner, a.started_at, a.ended_at, a.fault FROM tasks AS t CROSS JOIN attempts AS a ON a.task = t.n
WHERE t.id = ?1
UNION ALL
SELECT attempts, runner, started_at, ended_at, CASE WHEN faulted = attempts AND ended_at > 0 THEN fault ELSE x'' END
FROM tasks WHERE id = ?1 AND started_at > 0
ORDER BY 1
"""
_NOTES = """
SELECT s.seq, s.at, s.level, s.message FROM notes AS s JOIN tasks AS t ON t.n = s.task
WHERE t.id = ? AND s.seq > ? ORDER BY s.seq LIMIT ?
"""
_LISTED = f"""
SELECT {OUTLINE} FROM json_each(?) AS j CROSS JOIN tasks AS t ON t.id = j.value ORDER BY j.id
"""  # noqa: S608 - names of columns, all ours
_NARROW = ("parent", "schedule", "caller", "function")
"""What a list may be narrowed by, each with an index of its own by state: the first that is given is used."""
_AWAITED = """
WITH RECURSIVE w (n) AS (
    SELECT n FROM tasks WHERE id IN (SELECT value FROM json_each(?))
    UNION
    SELECT waits.target FROM w CROSS JOIN waits INDEXED BY waits_waiter ON waits.waiter = w.n
)
SELECT DISTINCT t.id FROM w CROSS JOIN waits INDEXED BY waits_waiter ON waits.waiter = w.n
    CROSS JOIN tasks AS t ON t.n = waits.target
"""
_BEATS = "SELECT id, pid, born_at, boot, space, name, count FROM runners"


def get(db: sqlite3.Connection, id: str, *, whole: bool) -> Task | None:  # noqa: A002 - the field's public name
    """A task."""
    found = db.execute(_GET_WHOLE if whole else _GET, (id,)).fetchone()
    return task(found) if found else None


def attempts(db: sqlite3.Connection, id: str) -> list[Attempt]:  # noqa: A002 - as above
    """The attempts of a task: the latest one stands in its row until it is put beside, with the others."""
    return [Attempt(*found) for found in db.execute(_ATTEMPTS, (id,))]


def notes(db: sqlite3.Connection, id: str, after: int, limit: int) -> list[Note]:  # noqa: A002 - as above
    """What a task has logged."""
    return [Note(*found) for found in db.execute(_NOTES, (id, after, limit))]


def awaited(db: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    """The tasks that these wait for, and so on."""
    return {found[0] for found in db.execute(_AWAITED, (listed(ids),))}


def beats(db: sqlite3.Connection) -> list[Beat]:
    """The runners that are known."""
    return [Beat(Runner(*found[:-1]), found[-1]) for found in db.execute(_BEATS)]


def find(db: sqlite3.Connection, query: Query) -> list[Task]:
    """Outlines of tasks, the newest first.

    Each state by itself has an index in the order that is asked for, several have not: the newest of each are put
    together, by their ids.
    """
    narrow = next((column for column in _NARROW if getattr(query, column)), "")
    states: Iterable[int | None] = [CODES[state] for state in query.states] or (STATES if narrow else [None])
    found: list[str] = []
    for state in states:
        text, values = _select(query, narrow, state)
        found += [each[0] for each in db.execute(text, values)]
    newest = heapq.nlargest(query.limit, found)
    return [task(row) for row in db.execute(_LISTED, (listed(newest),))]


def _select(query: Query, narrow: str, state: int | None) -> tuple[str, list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    for column in _NARROW:
        if value := getattr(query, column):
            conditions.append(f"{column} = ? AND {column} <> ''")
            values.append(value)
    if state is not None:
        conditions.append("state = ?")
        values.append(state)
    if query.before:
        conditions.append("id < ?")
        values.append(query.before)
    index = f"tasks_{narrow or ('id' if state is None else 'state')}"
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    text = f"SELECT id FROM tasks INDEXED BY {index}{where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - names are all ours
    return text, [*values, query.limit]
