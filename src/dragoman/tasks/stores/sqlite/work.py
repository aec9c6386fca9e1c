"""What one transaction does to tasks: rows are read, moved by the table of states, and written back together.

All that follows from a move is done here, so that no operation can forget it: counts, turns, deliveries, the tasks that
wait for one that has ended, and the changes that listeners are told of.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dragoman.tasks.state import State, Step, move
from dragoman.tasks.stores.sqlite.rows import CODES, COLUMNS, RESULT, Row, aside, keep_aside, row
from dragoman.tasks.stores.sqlite.statements import listed, read_many, run_many
from dragoman.tasks.task import Change

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from dragoman.tasks.stores.sqlite.turns import Turns

_ARRAY = f"SELECT json_group_array(json_array({COLUMNS})) FROM tasks"  # noqa: S608 - names of columns, all ours
_BY_IDS = f"{_ARRAY} WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608 - as above
_BY_NUMBERS = f"{_ARRAY} WHERE n IN (SELECT value FROM json_each(?))"  # noqa: S608 - as above
_SAVE = """
WITH v (n, state, turn, held, due_at, deadline, attempts, attempts_max, runner, started_at, ended_at, finished_at,
    cancelling, waits_for, seq, faulted, fault, result_codec, result) AS (VALUES {rows})
UPDATE tasks SET state = v.state, turn = v.turn, held = v.held, due_at = v.due_at, deadline = v.deadline,
    attempts = v.attempts, attempts_max = v.attempts_max, runner = v.runner, started_at = v.started_at,
    ended_at = v.ended_at, finished_at = v.finished_at, cancelling = v.cancelling, waits_for = v.waits_for,
    seq = v.seq, faulted = v.faulted, fault = coalesce(v.fault, tasks.fault),
    result_codec = coalesce(v.result_codec, tasks.result_codec),
    result = CASE WHEN v.result_codec IS NULL THEN tasks.result ELSE v.result END
FROM v WHERE tasks.n = v.n
"""
_DELIVER = """
INSERT INTO deliveries (id, task, target, state, seq, attempts, attempts_max, deadline, due_at, started_at,
    finished_at, progress, message, fault)
SELECT id || '-' || seq, n, callback, state, seq, attempts, attempts_max, deadline, due_at, started_at,
    finished_at, progress, message, fault FROM tasks
WHERE n IN (SELECT value FROM json_each(?)) ORDER BY n
"""
_WAITERS = (
    "SELECT json_group_array(json_array(waiter, c)) FROM (SELECT waiter, count(*) AS c FROM waits"
    " WHERE target IN (SELECT value FROM json_each(?)) GROUP BY waiter)"
)
_FORGET_TARGETS = "DELETE FROM waits WHERE target IN (SELECT value FROM json_each(?))"
_FORGET_WAITERS = "DELETE FROM waits WHERE waiter IN (SELECT value FROM json_each(?))"
_TALLY = """
WITH v (function, state, count) AS (VALUES {rows})
INSERT INTO tallies (function, state, count) SELECT * FROM v WHERE true
ON CONFLICT DO UPDATE SET count = count + excluded.count
"""
_CHANGED = """
WITH v (task, function, state, seq, cancelling, origin) AS (VALUES {rows})
INSERT INTO changes (task, function, state, seq, cancelling, origin) SELECT * FROM v
"""


class Work:
    """One transaction, or one part of it that may fail by itself."""

    def __init__(self, db: sqlite3.Connection, turns: Turns) -> None:
        self.db = db
        self.turns = turns
        self.changes: list[Change] = []
        self._tallies: Counter[tuple[str, int]] = Counter()

    def find(self, ids: Iterable[str]) -> dict[str, Row]:
        """Rows by the ids of their tasks."""
        return {each.id: each for each in map(row, read_many(self.db, _BY_IDS, (listed(ids),)))}

    def read(self, numbers: Iterable[int]) -> list[Row]:
        """Rows by their numbers."""
        return list(map(row, read_many(self.db, _BY_NUMBERS, (listed(numbers),))))

    def step(self, row: Row, step: Step) -> None:
        """Have a task be what a step makes of it. `save` writes it. Raises `IllegalTransition`."""
        after = move(row.state, step)
        self.count(row.function, row.state, after)
        row.state = after
        row.seq += 1

    def end(self, row: Row, step: Step, now: int) -> None:
        """Have a task end by a step. `save` writes it."""
        self.step(row, step)
        row.finished_at = now
        row.held = row.cancelling = 0
        row.waited, row.waits_for = row.waits_for > 0, 0

    def count(self, function: str, before: State | None, after: State | None, tasks: int = 1) -> None:
        """Tasks have become something else: None for what is not there."""
        if before is not None:
            self._tallies[function, CODES[before]] -= tasks
        if after is not None:
            self._tallies[function, CODES[after]] += tasks

    def save(self, rows: list[Row]) -> None:
        """Write rows back, and do what follows."""
        if not rows:
            return
        run_many(self.db, _SAVE, [_written(each) for each in rows])
        keep_aside(
            self.db, [(each.n, RESULT, each.result) for each in rows if each.result and aside(each.result) is None]
        )
        self.changes += [Change(each.id, each.function, each.state, each.seq, bool(each.cancelling)) for each in rows]
        ended = [each for each in rows if each.state.over]
        if ended:
            self._follow(ended)

    def finish(self, *, listener: str, others: bool) -> None:
        """Write what was gathered meanwhile. `others` want to know of the changes that are made here."""
        tallies = [(*key, count) for key, count in self._tallies.items() if count]
        if tallies:
            run_many(self.db, _TALLY, tallies)
        self.turns.keep()
        if others and self.changes:
            latest = {each.id: each for each in self.changes}
            run_many(
                self.db,
                _CHANGED,
                [(c.id, c.function, CODES[c.state], c.seq, int(c.cancelling), listener) for c in latest.values()],
            )

    def _follow(self, ended: list[Row]) -> None:
        if called := [each.n for each in ended if each.calls_back]:
            self.db.execute(_DELIVER, (listed(called),))
        if waited := [each.n for each in ended if each.waited]:
            self.db.execute(_FORGET_WAITERS, (listed(waited),))
        over = listed(each.n for each in ended)
        waiters: dict[int, int] = dict(read_many(self.db, _WAITERS, (over,)))
        if not waiters:
            return
        self.db.execute(_FORGET_TARGETS, (over,))
        woken = self.read(waiters)
        for each in woken:
            each.waits_for -= waiters[each.n]
            if each.waits_for > 0:
                each.seq += 1
            else:
                self.wake(each)
        self.save(woken)

    def wake(self, row: Row) -> None:
        """Have a task that waited for others run. `save` writes it."""
        self.step(row, Step.DUE)
        row.turn = self.turns.again(row, paid=True)


def _written(row: Row) -> tuple[object, ...]:
    result = row.result if row.result is None else aside(row.result)
    return (
        row.n,
        CODES[row.state],
        row.turn,
        row.held,
        row.due_at,
        row.deadline,
        row.attempts,
        row.attempts_max,
        row.runner,
        row.started_at,
        row.ended_at,
        row.finished_at,
        row.cancelling,
        row.waits_for,
        row.seq,
        row.faulted,
        row.fault,
        row.result_codec,
        result,
    )
