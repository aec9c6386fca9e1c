"""PgQueuer on Postgres, one asynchronous worker that is told of tasks by LISTEN."""

import asyncio
import json

import asyncpg
from pgqueuer import AsyncpgPoolDriver, Job, PgQueuer, Queries

from bench.noted import note

PROMISES = "at least once, by heartbeats; LISTEN/NOTIFY; what it says of ended jobs is written in batches"
BATCH = 64


async def _pool(place: str) -> asyncpg.Pool:
    return await asyncpg.create_pool(place, min_size=2, max_size=20)


def prepare(place: str) -> None:
    """Make the tables."""

    async def make() -> None:
        await Queries(AsyncpgPoolDriver(await _pool(place))).install()

    asyncio.run(make())


def work(place: str) -> None:
    """Run tasks."""

    async def run() -> None:
        queue = PgQueuer.from_asyncpg_pool(await _pool(place))

        @queue.entrypoint("note")
        async def _note(job: Job) -> None:
            note(**json.loads(job.payload or b"{}"))

        await queue.run(batch_size=BATCH)

    asyncio.run(run())


async def sender(place: str) -> object:
    """Send one."""
    queries = Queries(AsyncpgPoolDriver(await _pool(place)))

    async def send(file: str, sent_at: float) -> None:
        await queries.enqueue("note", json.dumps({"file": file, "sent_at": sent_at}).encode())

    return send
