"""A file with a million tasks that ended, and a hundred thousand that wait, beside one with next to none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from functools import partial
from typing import TYPE_CHECKING

from bench import queueing
from bench.contest import contest
from bench.outcome import Comparison
from dragoman.core.call import Codec
from dragoman.core.clock import SystemClock
from dragoman.tasks.identity import Identities
from dragoman.tasks.liveness import runner
from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.stores.sqlite.options import Options
from dragoman.tasks.task import US, Outcome, Query, Submission, Want

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from bench.contest import Turn
    from bench.outcome import Plan, Sample
    from dragoman.tasks.task import Claimed

NAME = "backlog"
SMALL, FULL = "next to empty", "full"
SLOWER_MOST = 1.2
FIGURES = {"submit_us": "submit", "claim_us": "claim", "list_us": "list"}
BATCH = 1000
FUNCTION, RUNNER = "noted.note", "bench"
CALLERS, CLAIM, LOOKS = 64, 64, 20
LISTS = (Query(), Query(states=frozenset({State.PENDING})), Query(function=FUNCTION), Query(caller="caller 7"))
identity = Identities(SystemClock(), os.urandom)


def run(plan: Plan) -> Iterator[Comparison]:
    """Fill one file, then measure both in turns."""
    ended, waiting = (50_000, 5_000) if plan.quick else (1_000_000, 100_000)
    found = Comparison(f"A file with {ended:,} ended and {waiting:,} pending tasks")
    contestants = {SMALL: partial(_contestant, 1000, 100, plan), FULL: partial(_contestant, ended, waiting, plan)}
    contest(found, contestants, plan.turns)
    for figure, says in FIGURES.items():
        found.aim(f"{says}: full over next to empty", found.ratio(figure, FULL, SMALL), "at most", SLOWER_MOST)
    found.notes += [
        f"submit: {CALLERS} at once, synced; claim: {CLAIM} at a time",
        "list: a page of a hundred, of all, by state, by function and by caller, the mean",
        *(["a first look: a twentieth of what the target is about"] if plan.quick else []),
    ]
    yield found


@contextlib.contextmanager
def _contestant(ended: int, waiting: int, plan: Plan) -> Generator[Turn]:
    with queueing.place() as folder, asyncio.Runner() as loop:
        path = folder / "tasks.db"
        loop.run(_fill(path, ended, waiting))
        store = SqliteStore(path)
        loop.run(_open(store))
        try:
            loop.run(_measure(store, BATCH))  # fills the caches
            yield lambda: loop.run(_measure(store, plan.calls))
        finally:
            loop.run(store.close())


async def _open(store: SqliteStore) -> None:
    await store.open()
    await store.enlist(runner(RUNNER))


async def _fill(path: Path, ended: int, waiting: int) -> None:
    """Without syncing, which changes nothing in what is there in the end."""
    store = SqliteStore(path, Options(full_sync=False))
    await _open(store)
    for _ in range(0, ended, BATCH):
        await store.submit(_submissions(BATCH))
        await _settle(store, await store.claim(RUNNER, [Want(FUNCTION, BATCH)], _now()))
    for _ in range(0, waiting, BATCH):
        await store.submit(_submissions(min(BATCH, waiting)))
    await store.close()


async def _settle(store: SqliteStore, claimed: Sequence[Claimed]) -> None:
    now = _now()
    outcomes = [Outcome(each.task.id, each.token, Step.SUCCEED, now, b"null", Codec.JSON) for each in claimed]
    if not all(await store.settle(outcomes)):
        raise RuntimeError("an outcome was refused")


def _submissions(count: int) -> list[Submission]:
    now = _now()
    return [
        Submission(
            identity(), FUNCTION, "1", b'{"a":1}', caller=f"caller {each % 10}", submitted_at=now, attempts_max=3
        )
        for each in range(count)
    ]


def _now() -> int:
    return int(time.time() * US)


async def _measure(store: SqliteStore, count: int) -> Sample:
    """As many claims as submits: what waits is as much as before."""
    submissions = iter(_submissions(count))

    async def submit() -> None:
        for each in submissions:
            await store.submit([each])

    async def submit_all() -> None:
        await asyncio.gather(*(submit() for _ in range(CALLERS)))

    claimed: list[Claimed] = []
    submit_us = await _us(submit_all, count)
    claim_us = await _us(partial(_claim, store, count, claimed), count)
    await _settle(store, claimed)
    list_us = await _us(partial(_look, store), len(LISTS) * LOOKS)
    return {"submit_us": submit_us, "claim_us": claim_us, "list_us": list_us}


async def _claim(store: SqliteStore, count: int, claimed: list[Claimed]) -> None:
    while len(claimed) < count:
        found = await store.claim(RUNNER, [Want(FUNCTION, min(CLAIM, count - len(claimed)))], _now())
        if not found:
            raise RuntimeError("nothing was there to claim")
        claimed += found


async def _look(store: SqliteStore) -> None:
    for query in LISTS * LOOKS:
        if len(await store.find(query)) != query.limit:
            raise RuntimeError("a page is not full")


async def _us(work: Callable[[], Awaitable[None]], count: int) -> float:
    begun = time.perf_counter()
    await work()
    return (time.perf_counter() - begun) / count * 1e6
