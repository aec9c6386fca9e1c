"""Runners come, count, and go; tasks are claimed for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.sqlite.rows import WHOLE, task
from dragoman.tasks.stores.sqlite.statements import listed
from dragoman.tasks.task import Change, Claimed, Pulse, Runner, Want

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.tasks.stores.sqlite.rows import Row
    from dragoman.tasks.stores.sqlite.work import Work

_ENLIST = """
INSERT INTO runners (id, count, pid, born_at, boot, space, name) VALUES (?, 1, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_PULSE = "UPDATE runners SET count = count + 1 WHERE id = ?"
_KNOWN = "SELECT 1 FROM runners WHERE id = ?"
_CANCELLED = "SELECT id FROM tasks INDEXED BY tasks_cancelling WHERE runner = ? AND state = 2 AND cancelling = 1"
_RUNNING = "SELECT count(*) FROM tasks INDEXED BY tasks_running WHERE function = ? AND state = 2"
_READY = f"""
SELECT {WHOLE}, t.n, t.turn, t.token FROM tasks AS t INDEXED BY tasks_ready
WHERE t.state = 1 AND t.held = 0 AND t.function = ? AND (t.deadline = 0 OR t.deadline > ?)
ORDER BY t.priority, t.turn, t.due_at, t.n LIMIT ?
"""  # noqa: S608 - names of columns, all ours
_ARCHIVE = """
INSERT INTO attempts (task, number, runner, started_at, ended_at, fault)
SELECT n, attempts, runner, started_at, ended_at, CASE WHEN faulted = attempts THEN fault ELSE x'' END
FROM tasks WHERE n IN (SELECT value FROM json_each(?)) AND ended_at > 0 AND attempts > 0
"""
_CLAIM = """
UPDATE tasks SET state = 2, attempts = attempts + 1, token = token + 1, runner = ?, started_at = ?, ended_at = 0,
    progress = 0, message = '', seq = seq + 1
WHERE n IN (SELECT value FROM json_each(?))
"""
_OF_RUNNER = "SELECT n FROM tasks INDEXED BY tasks_running WHERE state = 2 AND runner = ?"
_DELIVERIES_BACK = "UPDATE deliveries SET runner = '', next_at = 0 WHERE runner = ? AND runner <> ''"


def enlist(work: Work, runner: Runner) -> None:
    """Know a runner."""
    work.db.execute(_ENLIST, (runner.id, runner.pid, runner.born_at, runner.boot, runner.space, runner.name))


def pulse(work: Work, runner: str) -> Pulse:
    """Count a runner up."""
    if not work.db.execute(_PULSE, (runner,)).rowcount:
        return Pulse(known=False)
    return Pulse(known=True, cancelled=tuple(found[0] for found in work.db.execute(_CANCELLED, (runner,))))


def claim(work: Work, runner: str, wants: Sequence[Want], now: int) -> list[Claimed]:
    """Take tasks for a runner."""
    if work.db.execute(_KNOWN, (runner,)).fetchone() is None:
        return []
    claimed: list[Claimed] = []
    for want in wants:
        count = want.count
        if want.limit:
            count = min(count, want.limit - work.db.execute(_RUNNING, (want.function,)).fetchone()[0])
        if count > 0:
            claimed += _take(work, runner, want.function, count, now)
    return claimed


def _take(work: Work, runner: str, function: str, count: int, now: int) -> list[Claimed]:
    found = work.db.execute(_READY, (function, now, count)).fetchall()
    if not found:
        return []
    numbers = listed(row[-3] for row in found)
    claimed: list[Claimed] = []
    again = False
    for *columns, _, turn, token in found:
        each = task(columns)
        again = again or each.attempts > 0
        work.turns.advance((function, int(each.submission.priority)), turn)
        each.state = State.RUNNING
        each.attempts += 1
        each.started_at = now
        each.progress, each.message = 0.0, ""
        each.seq += 1
        claimed.append(Claimed(each, token + 1))
        work.changes.append(Change(each.id, function, State.RUNNING, each.seq))
    if again:
        work.db.execute(_ARCHIVE, (numbers,))
    work.db.execute(_CLAIM, (runner, now, numbers))
    work.count(function, State.PENDING, State.RUNNING, len(found))
    return claimed


def reap(work: Work, runner: str, now: int, fault: bytes) -> int:
    """Forget a runner, and take from it what it ran."""
    work.db.execute("DELETE FROM runners WHERE id = ?", (runner,))
    work.db.execute(_DELIVERIES_BACK, (runner,))
    rows = work.read(found[0] for found in work.db.execute(_OF_RUNNER, (runner,)))
    for row in rows:
        row.ended_at = now
        row.fault, row.faulted = fault, row.attempts
        _bereave(work, row, now)
    work.save(rows)
    return len(rows)


def _bereave(work: Work, row: Row, now: int) -> None:
    if row.cancelling:
        work.end(row, Step.CANCEL, now)
    elif 0 < row.deadline <= now:
        work.end(row, Step.TIME_OUT, now)
    elif row.attempts >= row.attempts_max:
        work.end(row, Step.EXHAUST, now)
    else:
        work.step(row, Step.RETRY)
        row.held, row.due_at = 1, now
