"""Rows as values: in which order columns are read, and what is made of them."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dragoman.core.call import Codec, Priority
from dragoman.tasks.state import State
from dragoman.tasks.stores.postgres.text import unpacked
from dragoman.tasks.task import DELIVERED_BYTES_MAX, Change, Delivery, Submission, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FIXED = (
    "t.id::text, t.function, t.version, t.codec, t.reply_codec, t.caller, t.priority, t.key, t.fingerprint, "
    "t.submitted_at, t.not_before, t.deadline, t.attempt_s, t.attempts_max, t.trace, t.parent, t.schedule, t.callback, "
    "t.state, t.attempts, t.due_at, t.started_at, t.finished_at, t.progress, t.message, t.result_codec, t.fault, "
    "t.seq, t.cancelling, t.waits_for"
)
WHOLE = f"{_FIXED}, t.body, t.result"
SHORT = (
    f"{_FIXED}, ''::bytea, CASE WHEN octet_length(t.result) <= {DELIVERED_BYTES_MAX} THEN t.result ELSE ''::bytea END"
)
"""As a delivery has it."""
OUTLINE = f"{_FIXED}, ''::bytea, ''::bytea"
CODECS = {int(codec): codec for codec in Codec}
PRIORITIES = {int(priority): priority for priority in Priority}
STATES = {str(state): state for state in State}


def task_of(row: Sequence[Any]) -> Task:
    """A task, of the columns above."""
    (
        id_, function, version, codec, reply_codec, caller, priority, key, fingerprint,
        submitted_at, not_before, deadline, attempt_s, attempts_max, trace, parent, schedule, callback,
        state, attempts, due_at, started_at, finished_at, progress, message, result_codec, fault,
        seq, cancelling, waits_for, body, result,
    ) = row  # fmt: skip
    submission = Submission(
        id_,
        function,
        unpacked(version),
        body,
        CODECS[codec],
        CODECS[reply_codec],
        unpacked(caller),
        PRIORITIES[priority],
        unpacked(key),
        fingerprint,
        submitted_at,
        not_before,
        deadline,
        attempt_s,
        attempts_max,
        unpacked(trace),
        unpacked(parent),
        unpacked(schedule),
        callback,
    )
    return Task(
        submission,
        STATES[state],
        attempts,
        due_at,
        started_at,
        finished_at,
        progress,
        unpacked(message),
        result,
        CODECS[result_codec],
        fault,
        seq,
        cancelling,
        waits_for,
    )


def changes_of(rows: Iterable[Sequence[Any]]) -> list[Change]:
    """Changes, of rows that begin with id, function, state, seq and cancelling."""
    return [Change(row[0], row[1], STATES[row[2]], row[3], row[4]) for row in rows]


def delivery_of(row: Sequence[Any]) -> Delivery:
    """A delivery, of its id, target, number, token, fault and kept end, and the columns of its task."""
    id_, target, number, token, fault, ended = row[:6]
    task = task_of(row[6:])
    return Delivery(id_, _as_it_ended(task, ended) if ended else task, target, number, token, unpacked(fault))


def _as_it_ended(task: Task, ended: str) -> Task:
    """A task that was replayed, as it was before. It had no result, or it could not have been."""
    kept = json.loads(ended)
    submission = replace(task.submission, attempts_max=kept["attempts_max"], deadline=kept["deadline"])
    plain = {name: kept[name] for name in ("attempts", "due_at", "started_at", "finished_at", "progress", "seq")}
    return replace(
        task,
        submission=submission,
        state=STATES[kept["state"]],
        message=unpacked(kept["message"]),
        fault=b64decode(kept["fault"]),
        result=b"",
        result_codec=Codec.NONE,
        cancelling=False,
        waits_for=0,
        **plain,
    )
