"""Tasks are stored: those that are new, once each, whatever they are asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dragoman.tasks.state import State
from dragoman.tasks.stores.sqlite.rows import CODES, INPUT, STATES, aside, keep_aside
from dragoman.tasks.stores.sqlite.statements import listed, read_many, run_many
from dragoman.tasks.task import Change, Submission, Submitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.tasks.stores.sqlite.work import Work

_KNOWN_IDS = "SELECT json_group_array(json_array(id, state)) FROM tasks WHERE id IN (SELECT value FROM json_each(?))"
_KNOWN_KEY = "SELECT id, fingerprint, state FROM tasks WHERE function = ? AND caller = ? AND key = ? AND key <> ''"
_INSERT = """
INSERT INTO tasks (
    id, state, function, version, caller, priority, turn, held, due_at, deadline, attempts_max, submitted_at,
    not_before, attempt_s, codec, reply_codec, key, fingerprint, trace, parent, schedule, callback, body
) VALUES {rows}
"""
_LARGE = "SELECT json_group_array(json_array(id, n)) FROM tasks WHERE id IN (SELECT value FROM json_each(?))"


class _Holder(NamedTuple):
    """Who has a key."""

    id: str
    fingerprint: bytes
    state: State


def submit(work: Work, submissions: Sequence[Submission]) -> list[Submitted]:
    """Store tasks. Which of them are new, and which are there already."""
    known: dict[str, int] = dict(read_many(work.db, _KNOWN_IDS, (listed(each.id for each in submissions),)))
    states = {name: STATES[code] for name, code in known.items()}
    keys: dict[tuple[str, str, str], _Holder] = {}
    fresh: list[Submission] = []
    answers: list[Submitted] = []
    for each in submissions:
        if each.id in states:
            answers.append(Submitted(each.id, created=False, state=states[each.id]))
            continue
        holder = _holder(work, each, keys) if each.key else None
        if holder is not None:
            refused = holder.fingerprint != each.fingerprint
            answers.append(Submitted(holder.id, created=False, state=holder.state, refused=refused))
            continue
        state = states[each.id] = State.SCHEDULED if each.not_before > each.submitted_at else State.PENDING
        if each.key:
            keys[each.function, each.caller, each.key] = _Holder(each.id, each.fingerprint, state)
        fresh.append(each)
        answers.append(Submitted(each.id, created=True, state=state))
    if fresh:
        _store(work, fresh, [states[each.id] for each in fresh])
    return answers


def _holder(work: Work, submission: Submission, seen: dict[tuple[str, str, str], _Holder]) -> _Holder | None:
    key = (submission.function, submission.caller, submission.key)
    if key in seen:
        return seen[key]
    found = work.db.execute(_KNOWN_KEY, key).fetchone()
    return _Holder(found[0], found[1], STATES[found[2]]) if found else None


def _store(work: Work, fresh: list[Submission], states: list[State]) -> None:
    flows = [(each.function, int(each.priority), each.caller) for each in fresh]
    pending = [flow for flow, state in zip(flows, states, strict=True) if state is State.PENDING]
    turns = iter(work.turns.next(pending))
    run_many(
        work.db,
        _INSERT,
        [
            _row(each, state, next(turns) if state is State.PENDING else 0)
            for each, state in zip(fresh, states, strict=True)
        ],
    )
    large = {each.id: each.body for each in fresh if aside(each.body) is None}
    if large:
        numbers: dict[str, int] = dict(read_many(work.db, _LARGE, (listed(large),)))
        keep_aside(work.db, [(numbers[name], INPUT, body) for name, body in large.items()])
    for each, state in zip(fresh, states, strict=True):
        work.count(each.function, None, state)
        work.changes.append(Change(each.id, each.function, state, 1))


def _row(each: Submission, state: State, turn: int) -> tuple[object, ...]:
    waits = state is State.SCHEDULED
    return (
        each.id,
        CODES[state],
        each.function,
        each.version,
        each.caller,
        int(each.priority),
        turn,
        int(waits),
        each.not_before if waits else each.submitted_at,
        each.deadline,
        each.attempts_max,
        each.submitted_at,
        each.not_before,
        each.attempt_s,
        int(each.codec),
        int(each.reply_codec),
        each.key,
        each.fingerprint,
        each.trace,
        each.parent,
        each.schedule,
        each.callback,
        aside(each.body),
    )
