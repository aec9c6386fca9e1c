"""Questions are answered, and trouble is told to who asked."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite.options import Options
from dragoman.tasks.stores.sqlite.reader import Question, Reader


def count(db: sqlite3.Connection) -> int:
    return db.execute("SELECT count(*) FROM tasks").fetchone()[0]


def wrong(db: sqlite3.Connection) -> None:
    db.execute("SELECT nothing FROM nowhere")


def write(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM tasks")


async def test_each_question_has_an_answer_of_its_own(path: Path) -> None:
    reader = Reader(path, Options())
    reader.open()
    with closing(reader):
        future = asyncio.get_running_loop().create_future()
        landings, _ = reader.work([Question(future, each) for each in (count, wrong, write, count)])

    assert [each.value for each in landings] == [0, None, None, 0]
    assert [type(each.error) for each in landings] == [type(None), StoreFailed, StoreFailed, type(None)]
