"""Storing tasks: all that are submitted at a moment in one statement, and each once however often it is asked for."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from dragoman.tasks.state import State
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres.lane import Lane, Load
from dragoman.tasks.stores.postgres.rows import STATES
from dragoman.tasks.stores.postgres.statements import statement
from dragoman.tasks.stores.postgres.text import exact, packed
from dragoman.tasks.task import Change, Submission, Submitted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool

FLIGHTS = 2
"""Statements under way: while one commits, the next one is made."""
ROUNDS_MAX = 3
"""Times that a task is stored anew, whose key stood for another that was forgotten before it could be read."""
FLOW_CHARS = 200
"""As much of a caller as tells callers apart where they take turns (so in `sql/tick.sql`)."""
ROW_BYTES = 300
"""About what a submission takes besides its input."""


class Submitting:
    """Submissions on their way into one server."""

    def __init__(self, pool: Pool, tell: Callable[[Sequence[Change]], object]) -> None:
        """`tell` is told of what is stored."""
        self._pool = pool
        self._tell = tell
        self.lane: Lane[Sequence[Submission], list[Submitted]] = Lane(
            self._store, _load, flights=FLIGHTS, waiting_max=pool.options.waiting_max
        )

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """Store tasks, those of one call together."""
        return await self.lane.ask(submissions) if submissions else []

    async def fire(self, schedule: str, slot: int, submission: Submission | None) -> bool:
        """Store the task of one moment of a schedule, unless that moment has passed already."""

        async def work(wire: Wire) -> tuple[bool, list[Submitted]]:
            async with wire.transaction():
                if not await wire.fetchval(statement("fire"), packed(schedule), slot):
                    return False, []
                return True, [] if submission is None else await _stored(wire, [submission])

        fired, told = await self._pool.run(work, writes=True)
        if submission is not None:
            self._told([submission], told)
        return fired

    async def _store(self, batch: list[Sequence[Submission]], size: int) -> list[list[Submitted]]:
        submissions = [submission for each in batch for submission in each]
        tries = 0

        async def work(wire: Wire) -> list[Submitted]:
            nonlocal tries
            tries += 1
            return await _stored(wire, submissions, again=tries > 1)

        told = await self._pool.run(work, writes=True, size=size, repeats=True)
        self._told(submissions, told)
        answers = iter(told)
        return [[next(answers) for _ in each] for each in batch]

    def _told(self, submissions: Sequence[Submission], told: Sequence[Submitted]) -> None:
        self._tell(
            [
                Change(answer.id, submission.function, answer.state, 1)
                for submission, answer in zip(submissions, told, strict=False)
                if answer.created
            ]
        )


async def _stored(wire: Wire, submissions: Sequence[Submission], *, again: bool = False) -> list[Submitted]:
    """Store those that are new. `again`: the answer to this very question was lost once."""
    digests = [digest(each) for each in submissions]
    answers: dict[int, Submitted] = {}
    left = list(range(len(submissions)))
    for _ in range(ROUNDS_MAX):
        rows = await wire.fetch(statement("submit"), *_columns([(submissions[at], digests[at]) for at in left]))
        new = {row[0] for row in rows}
        for at in left:
            submission = submissions[at]
            if submission.id in new:
                new.discard(submission.id)
                answers[at] = Submitted(submission.id, created=True, state=_state(submission))
        left = [at for at in left if at not in answers]
        if left:
            await _look(wire, [(at, submissions[at], digests[at]) for at in left], answers, again=again)
            left = [at for at in left if at not in answers]
        if not left:
            return [answers[at] for at in range(len(submissions))]
    raise StoreFailed(f"task {submissions[left[0]].id} could not be stored: its key comes and goes", unsure=True)


async def _look(
    wire: Wire,
    asked: Sequence[tuple[int, Submission, bytes | None]],
    answers: dict[int, Submitted],
    *,
    again: bool,
) -> None:
    """Answer for those that were there already."""
    rows = await wire.fetch(
        statement("known"), [each.id for _, each, _ in asked], [key for _, _, key in asked if key is not None]
    )
    by_id = {row[0]: row for row in rows}
    by_key = {bytes(row[1]): row for row in rows if row[1] is not None}
    for at, submission, key in asked:
        if (row := by_id.get(submission.id)) is not None:
            answers[at] = Submitted(row[0], created=again, state=STATES[row[3]])
        elif key is not None and (row := by_key.get(key)) is not None:
            refused = bytes(row[2]) != submission.fingerprint
            answers[at] = Submitted(row[0], created=False, state=STATES[row[3]], refused=refused)


def digest(submission: Submission) -> bytes | None:
    """What stands for a submission's key, which counts per function and caller; None where it has none."""
    if not submission.key:
        return None
    sum_ = sha256()
    for part in (submission.function, submission.caller, submission.key):
        data = part.encode("utf-8", "surrogatepass")
        sum_.update(len(data).to_bytes(8))
        sum_.update(data)
    return sum_.digest()


def _state(submission: Submission) -> State:
    return State.SCHEDULED if submission.not_before > submission.submitted_at else State.PENDING


def _load(submissions: Sequence[Submission]) -> Load:
    return Load(len(submissions), sum(ROW_BYTES + len(each.body) for each in submissions))


def _columns(asked: Sequence[tuple[Submission, bytes | None]]) -> list[list[Any]]:
    """Submissions as columns, in the order of the statement."""
    # Those with keys in the order of these: two hosts that store the same ones wait for one another in one order.
    asked = sorted(asked, key=lambda pair: pair[1] or b"")
    rows = [
        (
            each.id,
            each.function,
            exact(each.version),
            each.body,
            int(each.codec),
            int(each.reply_codec),
            exact(each.caller),
            int(each.priority),
            exact(each.key),
            each.fingerprint,
            each.submitted_at,
            each.not_before,
            each.deadline,
            each.attempt_s,
            each.attempts_max,
            exact(each.trace),
            exact(each.parent),
            exact(each.schedule),
            each.callback,
            key,
        )
        for each, key in asked
    ]
    flows, places = flowing([each for each, _ in asked])
    return [list(column) for column in (*zip(*rows, strict=True), *flows, *places)]


def flowing(submissions: Sequence[Submission]) -> tuple[list[Sequence[Any]], list[Sequence[int]]]:
    """The flows of what comes to wait at once, as columns, and for each submission its flow's place and its own rank.

    A place counts from 1; it is 0 for what does not come to wait now.
    """
    flows: dict[tuple[str, int, str], list[int]] = {}
    places: list[int] = []
    ranks: list[int] = []
    for each in submissions:
        if _state(each) is State.SCHEDULED:
            places.append(0)
            ranks.append(0)
            continue
        flow = flows.setdefault(
            (each.function, int(each.priority), exact(each.caller)[:FLOW_CHARS]), [len(flows) + 1, 0]
        )
        places.append(flow[0])
        ranks.append(flow[1])
        flow[1] += 1
    columns = zip(*((place, *flow, many) for flow, (place, many) in flows.items()), strict=True)
    return list(columns) or [(), (), (), (), ()], [places, ranks]
