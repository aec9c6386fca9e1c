"""How many tasks there are, how long they are kept, and when schedules were fired last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.tasks.stores.sqlite.rows import STATES
from dragoman.tasks.stores.sqlite.statements import listed
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.task import US, Census, Keeping, Submission

if TYPE_CHECKING:
    import sqlite3

    from dragoman.tasks.stores.sqlite.work import Work

_OLDEST = """
SELECT function, (
    SELECT min(due_at) FROM tasks INDEXED BY tasks_oldest
    WHERE state = 1 AND held = 0 AND function = tallies.function
) AS oldest FROM tallies WHERE state = 1 AND count > 0 AND oldest IS NOT NULL
"""
_ENDED = "SELECT coalesce(sum(count), 0) FROM tallies WHERE state >= 4"
_EXPIRED = """
SELECT n, function, state FROM tasks INDEXED BY tasks_finished WHERE finished_at > 0 AND finished_at < ?
    AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.task = tasks.n AND d.dead = 0)
ORDER BY finished_at LIMIT ?
"""
_FORGET = (
    "DELETE FROM bodies WHERE slot IN (SELECT value * 2 FROM json_each(?))",
    "DELETE FROM bodies WHERE slot IN (SELECT value * 2 + 1 FROM json_each(?))",
    "DELETE FROM attempts WHERE task IN (SELECT value FROM json_each(?))",
    "DELETE FROM notes WHERE task IN (SELECT value FROM json_each(?))",
    "DELETE FROM deliveries WHERE task IN (SELECT value FROM json_each(?))",
    "DELETE FROM tasks WHERE n IN (SELECT value FROM json_each(?))",
)
_FIRE = """
INSERT INTO schedules (name, slot) VALUES (?, ?)
ON CONFLICT DO UPDATE SET slot = excluded.slot WHERE excluded.slot > slot
"""
_FOREVER = 1 << 62


def census(db: sqlite3.Connection) -> Census:
    """How many tasks there are."""
    counted = db.execute("SELECT function, state, count FROM tallies WHERE count <> 0")
    counts = {(function, STATES[state]): count for function, state, count in counted}
    return Census(counts, dict(db.execute(_OLDEST).fetchall()))


def prune(work: Work, keeping: Keeping, now: int, limit: int) -> int:
    """Forget tasks that ended too long ago, or are too many."""
    found: list[tuple[int, str, int]] = []
    if keeping.age_s:
        found = work.db.execute(_EXPIRED, (now - int(keeping.age_s * US), limit)).fetchall()
    if keeping.count:
        excess = work.db.execute(_ENDED).fetchone()[0] - keeping.count
        if excess > len(found):
            # The oldest first in both, so those that are too old are among these.
            found = work.db.execute(_EXPIRED, (_FOREVER, min(limit, excess))).fetchall()
    work.turns.prune()
    if not found:
        return 0
    numbers = listed(each[0] for each in found)
    for statement in _FORGET:
        work.db.execute(statement, (numbers,))
    for _, function, state in found:
        work.count(function, STATES[state], None)
    return len(found)


def last_slot(db: sqlite3.Connection, schedule: str) -> int:
    """The last moment for which a schedule was fired, 0 for never."""
    found = db.execute("SELECT slot FROM schedules WHERE name = ?", (schedule,)).fetchone()
    return found[0] if found else 0


def fire(work: Work, schedule: str, slot: int, submission: Submission | None) -> bool:
    """Store the task of one moment of a schedule, unless that moment is past."""
    if not work.db.execute(_FIRE, (schedule, slot)).rowcount:
        return False
    if submission is not None:
        submit(work, [submission])
    return True
