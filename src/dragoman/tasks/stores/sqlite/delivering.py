"""Deliveries of ends: taken by a runner, tried, given up, asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.tasks.stores.sqlite.rows import STATES, WHOLE, task
from dragoman.tasks.task import Delivered, Delivery

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from dragoman.tasks.stores.sqlite.work import Work

_OWN = "d.id, d.target, d.number, d.token, d.trouble, d.state, d.seq, d.attempts, d.finished_at, d.problem"
_OWN_COUNT = 10
_SELECT = f"SELECT {_OWN}, {WHOLE} FROM deliveries AS d JOIN tasks AS t ON t.n = d.task WHERE"  # noqa: S608 - columns, all ours
_DUE = "SELECT n FROM deliveries WHERE dead = 0 AND runner = '' AND due_at <= ? ORDER BY due_at, n LIMIT ?"


def deliveries(work: Work, runner: str, count: int, now: int) -> list[Delivery]:
    """Take deliveries that are due."""
    if work.db.execute("SELECT 1 FROM runners WHERE id = ?", (runner,)).fetchone() is None:
        return []
    taken: list[Delivery] = []
    for (number,) in work.db.execute(_DUE, (now, count)).fetchall():
        work.db.execute(
            "UPDATE deliveries SET runner = ?, token = token + 1, number = number + 1 WHERE n = ?", (runner, number)
        )
        found = work.db.execute(f"{_SELECT} d.n = ?", (number,)).fetchone()
        taken.append(_delivery(found))
    return taken


def delivered(work: Work, outcomes: Sequence[Delivered]) -> None:
    """Record what became of deliveries."""
    for each in outcomes:
        if each.done:
            work.db.execute("DELETE FROM deliveries WHERE id = ? AND token = ? AND runner <> ''", (each.id, each.token))
        else:
            work.db.execute(
                "UPDATE deliveries SET runner = '', dead = ?, due_at = ?, trouble = ?, number = number - ?"
                " WHERE id = ? AND token = ? AND runner <> ''",
                (int(each.dead), each.due_at, each.fault, int(not each.tried), each.id, each.token),
            )


def undelivered(db: sqlite3.Connection, limit: int) -> list[Delivery]:
    """Deliveries that were given up, the latest first."""
    return [_delivery(found) for found in db.execute(f"{_SELECT} d.dead = 1 ORDER BY d.n DESC LIMIT ?", (limit,))]


def redeliver(work: Work, id: str) -> bool:  # noqa: A002 - the field's public name
    """Have a delivery that was given up tried again, as if for the first time."""
    again = "UPDATE deliveries SET dead = 0, number = 0, due_at = 0 WHERE id = ? AND dead = 1"
    return work.db.execute(again, (id,)).rowcount > 0


def _delivery(found: Sequence[Any]) -> Delivery:
    id, target, number, token, trouble, state, seq, attempts, finished_at, problem = found[:_OWN_COUNT]  # noqa: A001 - as above
    ended = task(found[_OWN_COUNT:])
    ended.state, ended.seq, ended.attempts = STATES[state], seq, attempts
    ended.finished_at, ended.fault, ended.cancelling = finished_at, problem, False
    return Delivery(id, ended, target, number, token, trouble)
