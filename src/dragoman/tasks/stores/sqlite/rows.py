"""Tasks as rows: the numbers that stand for words, the columns in the order of the values, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dragoman.core.call import Codec, Priority
from dragoman.tasks.state import State
from dragoman.tasks.task import DELIVERED_BYTES_MAX, Change, Submission, Task

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

STATES = {
    0: State.SCHEDULED,
    1: State.PENDING,
    2: State.RUNNING,
    3: State.RETRYING,
    4: State.SUCCEEDED,
    5: State.FAILED,
    6: State.TIMED_OUT,
    7: State.CANCELLED,
    8: State.DEAD,
}
"""By their numbers, which never change: they are in files."""
CODES = {state: number for number, state in STATES.items()}
_CODECS = {int(codec): codec for codec in Codec}
_PRIORITIES = {int(priority): priority for priority in Priority}

INPUT, RESULT = 0, 1
"""Which of a task's bodies."""
ASIDE_FROM = 512
"""Bytes from which a body lies beside its row: a row is written at each change of its task, this never again."""

_BEFORE = "t.id, t.function, t.version"
_BETWEEN = (
    "t.codec, t.reply_codec, t.caller, t.priority, t.key, t.fingerprint, t.submitted_at, t.not_before, t.deadline,"
    " t.attempt_s, t.attempts_max, t.trace, t.parent, t.schedule, t.callback, t.state, t.attempts, t.due_at,"
    " t.started_at, t.finished_at, t.progress, t.message"
)
_AFTER = "t.result_codec, t.fault, t.seq, t.cancelling, t.waits_for"
_BODY = "coalesce(t.body, (SELECT data FROM bodies WHERE slot = t.n * 2), x'')"
_RESULT = "coalesce(t.result, (SELECT data FROM bodies WHERE slot = t.n * 2 + 1), x'')"
OUTLINE = f"{_BEFORE}, x'', {_BETWEEN}, x'', {_AFTER}"
"""The columns of a task (`tasks AS t`) without its bodies, for `task`."""
WHOLE = f"{_BEFORE}, {_BODY}, {_BETWEEN}, {_RESULT}, {_AFTER}"
"""The columns of a task with its bodies, for `task`."""
_SHORT = _RESULT.replace("t.n * 2 + 1", f"t.n * 2 + 1 AND length(data) <= {DELIVERED_BYTES_MAX}")
BRIEF = f"{_BEFORE}, x'', {_BETWEEN}, {_SHORT}, {_AFTER}"
"""The columns of a task (`tasks AS t`) with its result, where that is short, for `task`."""
CHANGE = "id, function, state, seq, cancelling"
"""The columns of a `Change`, for `change`."""
_OWN = 18
"""Where in these the columns of the submission end."""


def task(row: Sequence[Any]) -> Task:
    """A task, of its columns."""
    submission = Submission(
        row[0],
        row[1],
        row[2],
        row[3],
        _CODECS[row[4]],
        _CODECS[row[5]],
        row[6],
        _PRIORITIES[row[7]],
        *row[8 : _OWN + 1],
    )
    state, attempts, due_at, started_at, finished_at, progress, message, result, codec, *rest = row[_OWN + 1 :]
    fault, seq, cancelling, waits_for = rest
    return Task(
        submission,
        STATES[state],
        attempts,
        due_at,
        started_at,
        finished_at,
        progress,
        message,
        result,
        _CODECS[codec],
        fault,
        seq,
        bool(cancelling),
        waits_for,
    )


def change(row: Sequence[Any]) -> Change:
    """That a task is something else, of its columns."""
    id, function, state, seq, cancelling = row  # noqa: A001 - the field's public name
    return Change(id, function, STATES[state], seq, bool(cancelling))


def aside(body: bytes) -> bytes | None:
    """What stands in the row for a body: itself, or None where it lies beside."""
    return body if len(body) < ASIDE_FROM else None


def keep_aside(db: sqlite3.Connection, bodies: Sequence[tuple[int, int, bytes]]) -> None:
    """Keep large bodies: (task, which, body) each."""
    for number, which, body in bodies:
        db.execute("INSERT OR REPLACE INTO bodies (slot, data) VALUES (?, ?)", (number * 2 + which, body))


@dataclass(slots=True)
class Row:
    """What decides about a task, and what may change of it, in the order of `COLUMNS`.

    `fault` and `result` are only written: None leaves what is there. `waited` is set for one that ends while it waits.
    """

    n: int
    id: str
    function: str
    caller: str
    priority: int
    state: State
    turn: int
    held: int
    due_at: int
    deadline: int
    attempts: int
    attempts_max: int
    token: int
    runner: str
    started_at: int
    ended_at: int
    finished_at: int
    cancelling: int
    waits_for: int
    seq: int
    faulted: int
    calls_back: int
    fault: bytes | None = None
    result: bytes | None = None
    result_codec: int | None = None
    waited: bool = False


COLUMNS = (
    "n, id, function, caller, priority, state, turn, held, due_at, deadline, attempts, attempts_max, token, runner,"
    " started_at, ended_at, finished_at, cancelling, waits_for, seq, faulted, callback <> x''"
)
"""The columns of a `Row`."""


def row(values: Sequence[Any]) -> Row:
    """A row, of its columns."""
    made = Row(*values)
    made.state = STATES[values[5]]
    return made
