"""What people ask of a task that is there: that it be cancelled, or run anew; and what time asks of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.sqlite.rows import CHANGE, change

if TYPE_CHECKING:
    from dragoman.tasks.stores.sqlite.rows import Row
    from dragoman.tasks.stores.sqlite.work import Work

_NEVER = 1 << 62

_LATE = """
SELECT n FROM tasks INDEXED BY tasks_deadline WHERE deadline > 0 AND state IN (0, 1, 3) AND deadline <= ?
ORDER BY deadline LIMIT ?
"""
_DUE = "SELECT n FROM tasks INDEXED BY tasks_due WHERE held = 1 AND due_at <= ? ORDER BY due_at LIMIT ?"
_NEXT = """
SELECT min(
    coalesce((SELECT min(deadline) FROM tasks INDEXED BY tasks_deadline WHERE deadline > 0 AND state IN (0, 1, 3)), ?1),
    coalesce((SELECT min(due_at) FROM tasks INDEXED BY tasks_due WHERE held = 1), ?1)
)
"""
_HURRY = """
UPDATE tasks INDEXED BY tasks_due SET due_at = ?1, seq = seq + 1 WHERE held = 1 AND due_at > ?1 AND state IN (1, 3)
"""
_HURRIED = f"""
SELECT {CHANGE} FROM tasks INDEXED BY tasks_due WHERE held = 1 AND due_at = ?1 AND state IN (1, 3)
"""  # noqa: S608 - names of columns, all ours
_HURRY_DELIVERIES = """
UPDATE deliveries INDEXED BY deliveries_due SET next_at = ?1 WHERE dead = 0 AND runner = '' AND next_at > ?1
"""


def cancel(work: Work, id: str, now: int) -> State | None:  # noqa: A002 - the field's public name
    """Have a task never run, or be stopped."""
    row = work.find([id]).get(id)
    if row is None:
        return None
    if row.state is State.RUNNING:
        if not row.cancelling:
            row.cancelling = 1
            row.seq += 1
            work.save([row])
    elif not row.state.over:
        work.end(row, Step.CANCEL, now)
        work.save([row])
    return row.state


def replay(work: Work, id: str, now: int, attempts_max: int, deadline: int) -> State | None:  # noqa: A002 - as above
    """Have a task that ended without a result run anew."""
    row = work.find([id]).get(id)
    if row is None:
        return None
    if row.state.over and row.state is not State.SUCCEEDED:
        work.step(row, Step.REPLAY)
        row.attempts_max = row.attempts + attempts_max
        row.deadline, row.due_at = deadline, now
        row.finished_at = row.cancelling = 0
        _queue(work, [row])
        work.save([row])
    return row.state


def tick(work: Work, now: int, most: int) -> int:
    """Move on what time moves."""
    late = work.read(found[0] for found in work.db.execute(_LATE, (now, most)))
    for row in late:
        work.end(row, Step.TIME_OUT, now)
    work.save(late)
    due = work.read(found[0] for found in work.db.execute(_DUE, (now, most)))
    due.sort(key=lambda row: row.due_at)
    fresh = [row for row in due if row.state is State.SCHEDULED]
    for row in due:
        row.held = 0
        if row.state is State.PENDING:
            row.turn = work.turns.again(row, paid=False)
            row.seq += 1
        else:
            if row.state is State.RETRYING:
                row.turn = work.turns.again(row, paid=False)
            work.step(row, Step.DUE)
    _queue(work, fresh)
    work.save(due)
    if len(late) == most or len(due) == most:
        return now
    following = work.db.execute(_NEXT, (_NEVER,)).fetchone()[0]
    return 0 if following == _NEVER else following


def hurry(work: Work, now: int) -> None:
    """Have tasks and deliveries that pause be due."""
    work.db.execute(_HURRY, (now,))
    work.changes += map(change, work.db.execute(_HURRIED, (now,)))
    work.db.execute(_HURRY_DELIVERIES, (now,))


def _queue(work: Work, rows: list[Row]) -> None:
    turns = work.turns.next([(row.function, row.priority, row.caller) for row in rows])
    for row, turn in zip(rows, turns, strict=True):
        row.turn = turn
