"""Recording how attempts ended: once, and only for who holds the token."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dragoman.tasks.identity import is_id
from dragoman.tasks.state import State, Step, move
from dragoman.tasks.stores.postgres.lane import Lane, Load
from dragoman.tasks.stores.postgres.rows import changes_of
from dragoman.tasks.stores.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.pool import Pool
    from dragoman.tasks.stores.postgres.waking import Waking
    from dragoman.tasks.task import Outcome

FLIGHTS = 2
"""Statements under way: while one commits, the next one is made."""
ROW_BYTES = 100
"""About what an outcome takes besides result and fault."""


class Settling:
    """Outcomes on their way into one server."""

    def __init__(self, pool: Pool, waking: Waking) -> None:
        self._pool = pool
        self._waking = waking
        self.lane: Lane[Outcome, bool] = Lane(self._settle, _load, flights=FLIGHTS)

    async def settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Record outcomes; which of them counted. Where one token has several, the first one does."""
        # By place: who brings one thing twice is answered twice.
        places = list(range(len(outcomes)))
        first = {(outcomes[at].id, outcomes[at].token): at for at in reversed(places) if is_id(outcomes[at].id)}
        answers = await asyncio.gather(*(self._record(outcomes[at]) for at in first.values()))
        counted = {at for at, answer in zip(first.values(), answers, strict=True) if answer}
        return [at in counted for at in places]

    def _record(self, outcome: Outcome) -> Awaitable[bool]:
        if outcome.step is Step.SUSPEND and outcome.waits_for:
            return self._suspend(outcome)
        return self.lane.ask(outcome)

    async def _settle(self, outcomes: list[Outcome], size: int) -> list[bool]:
        # Two that came at once from different sides, under one token: the first one counts.
        first = {(outcome.id, outcome.token): outcome for outcome in reversed(outcomes)}
        columns = _columns(list(first.values()))
        tries = 0

        async def work(wire: Wire) -> tuple[Sequence[Any], set[tuple[str, int]]]:
            nonlocal tries
            tries += 1
            rows = await wire.fetch(statement("settle"), *columns)
            recorded = {(row[0], row[5]) for row in rows}
            if tries > 1 and len(recorded) < len(first):
                # The answer to this very question was lost once, and may have been yes.
                before = await wire.fetch(statement("settled"), columns[0], columns[1], columns[3])
                recorded |= {(row[0], row[1]) for row in before}
            return rows, recorded

        rows, recorded = await self._pool.run(work, writes=True, size=size, repeats=True)
        awaited = frozenset(row[0] for row in rows if row[6])
        await self._waking.follow(changes_of(rows), awaited)
        answers: list[bool] = []
        for outcome in outcomes:
            claim = (outcome.id, outcome.token)
            answers.append(claim in recorded and first[claim] is outcome)
            recorded.discard(claim)
        return answers

    async def _suspend(self, outcome: Outcome) -> bool:
        awaited = [each for each in dict.fromkeys(outcome.waits_for) if each != outcome.id and is_id(each)]

        async def work(wire: Wire) -> Sequence[Any]:
            async with wire.transaction():
                rows = await wire.fetch(statement("awaited"), awaited)
                live = [row[0] for row in rows if row[1] == 0]
                return await wire.fetch(statement("suspend"), outcome.id, outcome.token, outcome.ended_at, live)

        rows = await self._pool.run(work, writes=True)
        await self._waking.follow(changes_of(rows))
        return bool(rows)


def _load(outcome: Outcome) -> Load:
    return Load(1, ROW_BYTES + len(outcome.result) + len(outcome.fault))


def _columns(outcomes: Sequence[Outcome]) -> list[list[Any]]:
    """Outcomes as columns, in the order of the statement."""
    rows = [
        (
            each.id,
            each.token,
            str(_state(each.step)),
            each.ended_at,
            each.result,
            int(each.codec),
            each.fault,
            each.due_at or (each.ended_at if each.step is Step.RETRY else 0),
            each.step in (Step.RETRY, Step.RELEASE, Step.SUSPEND),
            each.step in (Step.RELEASE, Step.SUSPEND),
        )
        for each in outcomes
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _state(step: Step) -> State:
    """What a step from RUNNING leads to; a task that waits for none is due at once."""
    return State.PENDING if step is Step.SUSPEND else move(State.RUNNING, step)
