"""Changes of other processes are told of, even where some were forgotten before they were seen."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.tasks.state import State
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite.asking import cancel
from dragoman.tasks.stores.sqlite.options import Options
from dragoman.tasks.stores.sqlite.reader import CHANGES_AT_ONCE, Question, Reader
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.work import Work
from tests.tasks.stores.sqlite.conftest import Make


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    reader = Reader(path, "me", Options())
    reader.open()
    with closing(reader):
        yield reader


def test_changes_of_others_are_told_of_once(reader: Reader, work: Work, make: Make) -> None:
    submit(work, [make()])
    work.finish(listener="other", others=True)
    assert reader.work([]) == ([], [])

    reader.since = 0
    assert [change.id for change in reader.work([])[1]] == ["t1"]
    assert reader.work([])[1] == []
    submit(work, [make()])
    work.finish(listener="me", others=True)
    assert reader.work([])[1] == []


def test_who_has_missed_some_is_told_of_all_tasks(
    reader: Reader, work: Work, make: Make, db: sqlite3.Connection
) -> None:
    submit(work, [make(id=f"{number:05}") for number in range(CHANGES_AT_ONCE + 5)])
    cancel(work, "00003", 1)
    work.finish(listener="other", others=True)
    db.execute("DELETE FROM changes WHERE n <= 10")
    reader.since = 0

    told = {change.id: change.state for _ in range(5) for change in reader.work([])[1]}

    assert len(told) == CHANGES_AT_ONCE + 5
    assert told["00003"] is State.CANCELLED


async def test_trouble_is_told_to_who_asks(reader: Reader) -> None:
    def ask(db: sqlite3.Connection) -> None:
        db.execute("SELECT nothing FROM nowhere")

    landings, _ = reader.work([Question(asyncio.get_running_loop().create_future(), ask)])

    assert isinstance(landings[0].error, StoreFailed)
