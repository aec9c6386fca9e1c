"""Deliveries of ends: taken by a runner, tried, given up, asked for again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dragoman.core.call import Codec
from dragoman.tasks.state import State
from dragoman.tasks.stores.sqlite.rows import BRIEF, STATES, task
from dragoman.tasks.task import Delivered, Delivery

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from dragoman.tasks.stores.sqlite.work import Work

_OWN = (
    "d.id, d.target, d.number, d.token, d.trouble, d.state, d.seq, d.attempts, d.attempts_max, d.deadline, d.due_at,"
    " d.started_at, d.finished_at, d.progress, d.message, d.fault"
)
_OWN_COUNT = 16
_SELECT = f"SELECT {_OWN}, {BRIEF} FROM deliveries AS d JOIN tasks AS t ON t.n = d.task WHERE"  # noqa: S608 - columns, all ours
_DUE = "SELECT n FROM deliveries WHERE dead = 0 AND runner = '' AND next_at <= ? ORDER BY next_at, n LIMIT ?"


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
                "UPDATE deliveries SET runner = '', dead = ?, next_at = ?, trouble = ?, number = number - ?"
                " WHERE id = ? AND token = ? AND runner <> ''",
                (int(each.dead), each.due_at, each.fault, int(not each.tried), each.id, each.token),
            )


def undelivered(db: sqlite3.Connection, limit: int) -> list[Delivery]:
    """Deliveries that were given up, the latest first."""
    return [_delivery(found) for found in db.execute(f"{_SELECT} d.dead = 1 ORDER BY d.n DESC LIMIT ?", (limit,))]


def redeliver(work: Work, id: str) -> bool:  # noqa: A002 - the field's public name
    """Have a delivery that was given up tried again, as if for the first time."""
    again = "UPDATE deliveries SET dead = 0, number = 0, next_at = 0 WHERE id = ? AND dead = 1"
    return work.db.execute(again, (id,)).rowcount > 0


def _delivery(found: Sequence[Any]) -> Delivery:
    id, target, number, token, trouble, *ended = found[:_OWN_COUNT]  # noqa: A001 - the field's public name
    state, seq, attempts, attempts_max, deadline, due_at, started_at, finished_at, progress, message, fault = ended
    now = task(found[_OWN_COUNT:])
    then = replace(
        now,
        submission=replace(now.submission, attempts_max=attempts_max, deadline=deadline),
        state=STATES[state],
        seq=seq,
        attempts=attempts,
        due_at=due_at,
        started_at=started_at,
        finished_at=finished_at,
        progress=progress,
        message=message,
        fault=fault,
        cancelling=False,
        waits_for=0,
    )
    if then.state is not State.SUCCEEDED:
        then.result, then.result_codec = b"", Codec.NONE
    return Delivery(id, then, target, number, token, trouble)
