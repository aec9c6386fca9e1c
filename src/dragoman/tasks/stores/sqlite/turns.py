"""Whose turn it is: start-time fair queueing (Goyal et al., 1996) between the callers of one function and priority.

Each caller's tasks get starts one apart, none before the start of what was claimed last. So one who comes with
thousands has starts far ahead, and whoever comes later, with one, starts now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.tasks.stores.sqlite.statements import listed, read_many, run_many

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from dragoman.tasks.stores.sqlite.rows import Row

Flow = tuple[str, int, str]
"""Function, priority, caller."""
Lane = tuple[str, int]
"""Function, priority."""

KNOWN_MAX = 20_000
"""Callers whose next turns are remembered between transactions: a few megabytes. Past it they are read again."""

_FLOWS = (
    "SELECT json_group_array(json_array(f.function, f.priority, f.caller, f.finish)) FROM json_each(?) AS j"
    " CROSS JOIN flows AS f ON f.function = json_extract(j.value, '$[0]')"
    " AND f.priority = json_extract(j.value, '$[1]') AND f.caller = json_extract(j.value, '$[2]')"
)
_CLOCK = "SELECT turn FROM clocks WHERE function = ? AND priority = ?"
_KEEP_FLOWS = """
WITH v (function, priority, caller, finish) AS (VALUES {rows})
INSERT INTO flows (function, priority, caller, finish) SELECT * FROM v WHERE true
ON CONFLICT DO UPDATE SET finish = excluded.finish
"""
_KEEP_CLOCKS = """
WITH v (function, priority, turn) AS (VALUES {rows})
INSERT INTO clocks (function, priority, turn) SELECT * FROM v WHERE true
ON CONFLICT DO UPDATE SET turn = excluded.turn
"""
_FORGET = (
    "DELETE FROM flows WHERE finish <= (SELECT turn FROM clocks AS c"
    " WHERE c.function = flows.function AND c.priority = flows.priority)"
)


class Turns:
    """The turns of all callers, remembered as long as nobody else writes."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._finish: dict[Flow, int] = {}
        self._clock: dict[Lane, int] = {}
        self._flows_changed: set[Flow] = set()
        self._clocks_changed: set[Lane] = set()

    def forget(self) -> None:
        """Somebody else has written, or what was written did not happen."""
        self._finish.clear()
        self._clock.clear()
        self._flows_changed.clear()
        self._clocks_changed.clear()

    def next(self, flows: Sequence[Flow]) -> list[int]:
        """The turns of tasks that are new in their queues, in order."""
        finish, changed = self._load(flows), self._flows_changed
        turns: list[int] = []
        for flow in flows:
            turn = max(self._clock[flow[:2]], finish[flow])
            finish[flow] = turn + 1
            changed.add(flow)
            turns.append(turn)
        return turns

    def again(self, row: Row, *, paid: bool) -> int:
        """The turn of a task that comes back: one it has had, or now. It is paid for by its caller's next ones."""
        flow = (row.function, row.priority, row.caller)
        self._load([flow])
        now = self._clock[flow[:2]]
        if paid:
            self._finish[flow] = max(now, self._finish[flow]) + 1
            self._flows_changed.add(flow)
        return max(row.turn, now)

    def advance(self, lane: Lane, turn: int) -> None:
        """A task with this turn was claimed."""
        if turn > self._clock_of(lane):
            self._clock[lane] = turn
            self._clocks_changed.add(lane)

    def keep(self) -> None:
        """Write what has changed."""
        if self._flows_changed:
            run_many(self._db, _KEEP_FLOWS, [(*flow, self._finish[flow]) for flow in self._flows_changed])
            self._flows_changed.clear()
        if self._clocks_changed:
            run_many(self._db, _KEEP_CLOCKS, [(*lane, self._clock[lane]) for lane in self._clocks_changed])
            self._clocks_changed.clear()
        if len(self._finish) > KNOWN_MAX:
            self.forget()

    def prune(self) -> None:
        """Forget callers whose next turn is now anyway, as that of any new one."""
        # What others in the same transaction were given is not written yet, and is not to be forgotten.
        self.keep()
        self._db.execute(_FORGET)
        self.forget()

    def _load(self, flows: Sequence[Flow]) -> dict[Flow, int]:
        finish = self._finish
        missing = {flow for flow in flows if flow not in finish}
        if missing:
            for flow in missing:
                finish[flow] = 0
                self._clock_of(flow[:2])
            for function, priority, caller, turn in read_many(self._db, _FLOWS, (listed(missing),)):
                finish[function, priority, caller] = turn
        return finish

    def _clock_of(self, lane: Lane) -> int:
        turn = self._clock.get(lane)
        if turn is None:
            found = self._db.execute(_CLOCK, lane).fetchone()
            turn = self._clock[lane] = found[0] if found else 0
        return turn
