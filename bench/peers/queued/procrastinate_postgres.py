"""Procrastinate on Postgres, one asynchronous worker that is told of tasks by LISTEN."""

import asyncio

import procrastinate

from bench.noted import note

PROMISES = "at least once where stalled jobs are looked for by a task of one's own; LISTEN/NOTIFY, polls every 5 s"
CONCURRENCY = 32


def _app(place: str) -> procrastinate.App:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=place, max_size=20))

    @app.task(name="note", queue="bench")
    async def _note(file: str, sent_at: float) -> None:
        note(file, sent_at)

    return app


def prepare(place: str) -> None:
    """Make the tables."""

    async def make() -> None:
        app = _app(place)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    asyncio.run(make())


def work(place: str) -> None:
    """Run tasks."""
    _app(place).run_worker(queues=["bench"], concurrency=CONCURRENCY)


async def sender(place: str) -> object:
    """Send one."""
    app = _app(place)
    await app.open_async().__aenter__()

    async def send(file: str, sent_at: float) -> None:
        await app.configure_task("note", queue="bench").defer_async(file=file, sent_at=sent_at)

    return send
