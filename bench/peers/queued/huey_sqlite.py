"""huey on SQLite, with fsync on, as durable as it can be; its consumer in threads, as its documentation has it."""

from huey import SqliteHuey

from bench.noted import note

PROMISES = "at most once: a task leaves the table when a consumer takes it, and is lost with that; polls from 0.1 s up"
WORKERS = 4


def _huey(place: str) -> SqliteHuey:
    return SqliteHuey("bench", filename=place, fsync=True, results=False, timeout=60)


def prepare(place: str) -> None:
    """Make the tables."""
    _huey(place)


def work(place: str) -> None:
    """Run tasks."""
    huey = _huey(place)
    huey.task(name="note")(note)
    huey.create_consumer(workers=WORKERS, worker_type="thread", periodic=False).run()


def sender(place: str) -> object:
    """Send one."""
    return _huey(place).task(name="note")(note)
