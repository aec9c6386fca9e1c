"""Attempts end, and tasks with them, or not; what runs says how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.sqlite.rows import CODES
from dragoman.tasks.stores.sqlite.statements import listed, run_many
from dragoman.tasks.task import NOTES_MAX, Change, Outcome, Told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.tasks.stores.sqlite.rows import Row
    from dragoman.tasks.stores.sqlite.work import Work

_BACK = frozenset({Step.RETRY, Step.RELEASE, Step.SUSPEND})
"""Steps after which a task would run again."""
_OPEN = " ".join(
    (
        "SELECT n FROM tasks WHERE id IN (SELECT value FROM json_each(?))",
        "AND state <",
        str(CODES[State.SUCCEEDED]),
    )
)
_TELL = """
WITH v (n, seq, progress, message) AS (VALUES {rows})
UPDATE tasks SET seq = v.seq,
    progress = coalesce(v.progress, tasks.progress), message = coalesce(v.message, tasks.message)
FROM v WHERE tasks.n = v.n
"""
_NOTE = "INSERT INTO notes (task, seq, at, level, message) VALUES {rows}"
_TRIM = """
DELETE FROM notes WHERE task = ?1
    AND seq <= (SELECT seq FROM notes WHERE task = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)
"""


def settle(work: Work, outcomes: Sequence[Outcome]) -> list[bool]:
    """Record how attempts ended; False for each whose token does not hold."""
    rows = work.find({each.id for each in outcomes})
    moved: list[Row] = []
    settled: list[bool] = []
    for outcome in outcomes:
        row = rows.get(outcome.id)
        holds = row is not None and row.state is State.RUNNING and row.token == outcome.token
        settled.append(holds)
        if row is not None and holds:
            _apply(work, row, outcome)
            moved.append(row)
    work.save(moved)
    return settled


def _apply(work: Work, row: Row, outcome: Outcome) -> None:
    step = Step.CANCEL if row.cancelling and outcome.step in _BACK else outcome.step
    if outcome.step in (Step.RELEASE, Step.SUSPEND):
        row.attempts -= 1
        row.started_at, row.runner = 0, ""
    else:
        row.ended_at = outcome.ended_at
        if outcome.fault:
            row.fault, row.faulted = outcome.fault, row.attempts
    if step is Step.RETRY:
        work.step(row, step)
        row.turn = work.turns.again(row, paid=True)
        row.held, row.due_at = 1, outcome.due_at or outcome.ended_at
    elif step is Step.RELEASE:
        work.step(row, step)
        row.turn = work.turns.again(row, paid=False)
        row.held = int(outcome.due_at > outcome.ended_at)
        row.due_at = outcome.due_at if row.held else max(outcome.due_at, row.due_at)
    elif step is Step.SUSPEND:
        _suspend(work, row, outcome)
    else:
        if step is Step.SUCCEED:
            row.result, row.result_codec = outcome.result, int(outcome.codec)
            if row.faulted:
                # It stands in the history, with the attempt that had it.
                row.fault, row.faulted = b"", 0
        work.end(row, step, outcome.ended_at)


def _suspend(work: Work, row: Row, outcome: Outcome) -> None:
    work.step(row, Step.SUSPEND)
    others = set(outcome.waits_for) - {outcome.id}
    targets = [found[0] for found in work.db.execute(_OPEN, (listed(others),))]
    if not targets:
        work.wake(row)
        return
    run_many(work.db, "INSERT INTO waits (target, waiter) VALUES {rows}", [(target, row.n) for target in targets])
    row.waits_for = len(targets)


def tell(work: Work, told: Sequence[Told]) -> None:
    """Keep what running tasks say."""
    rows = work.find({each.id for each in told})
    said: dict[int, tuple[float | None, str | None]] = {}
    notes: list[tuple[object, ...]] = []
    for each in told:
        row = rows.get(each.id)
        if row is None or row.state is not State.RUNNING or row.token != each.token:
            continue
        said.setdefault(row.n, (None, None))
        if each.progress is not None:
            row.seq += 1
            said[row.n] = (each.progress, each.message)
        for level, message in each.lines[-NOTES_MAX:]:
            row.seq += 1
            notes.append((row.n, row.seq, each.at, level, message))
    speakers = [row for row in rows.values() if row.n in said]
    if not speakers:
        return
    run_many(work.db, _TELL, [(row.n, row.seq, *said[row.n]) for row in speakers])
    run_many(work.db, _NOTE, notes)
    for row in speakers:
        if row.seq > NOTES_MAX:
            work.db.execute(_TRIM, (row.n, NOTES_MAX))
    work.changes += [Change(row.id, row.function, row.state, row.seq, bool(row.cancelling)) for row in speakers]
