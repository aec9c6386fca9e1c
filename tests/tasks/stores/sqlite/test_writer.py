"""Operations that come together are one transaction, and one that cannot be done is alone in that."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dragoman.tasks.liveness import place
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.sqlite.options import Options
from dragoman.tasks.stores.sqlite.order import Order
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.writer import Writer
from dragoman.tasks.task import Submission
from tests.tasks.stores.sqlite.conftest import Make


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    writer = Writer(path, "me", Options(busy_s=0.1))
    writer.open()
    with closing(writer):
        yield writer


def order(*submissions: Submission) -> Order:
    return Order(asyncio.get_running_loop().create_future(), 0, submit, submissions)


def tidying(writer: Writer) -> Order:
    return Order(asyncio.get_running_loop().create_future(), 9, single=writer.finish)


def lose(path: Path) -> None:
    path.unlink()


def outcomes(writer: Writer, *orders: Order) -> list[Any]:
    landings, _ = writer.work(orders)
    assert [each.future for each in landings] == [each.future for each in orders]
    return [each.error or each.value for each in landings]


async def test_one_that_cannot_be_done_takes_no_other_along(writer: Writer, db: sqlite3.Connection, make: Make) -> None:
    said = outcomes(writer, order(make()), order(make(caller="\ud800")), order(make(), make()))

    assert [each.created for each in said[0] + said[2]] == [True, True, True]
    assert isinstance(said[1], StoreFailed)
    assert [row[0] for row in db.execute("SELECT id FROM tasks ORDER BY n")] == ["t1", "t3", "t4"]
    assert db.execute("SELECT count FROM tallies").fetchall() == [(3,)]


async def test_a_locked_file_is_waited_for_and_then_told_of(writer: Writer, db: sqlite3.Connection, make: Make) -> None:
    db.execute("BEGIN IMMEDIATE")
    (said,) = outcomes(writer, order(make()))
    assert isinstance(said, StoreFailed)
    assert "locked by another process" in str(said)
    db.execute("COMMIT")

    assert outcomes(writer, order(make()))[0][0].created


async def test_what_goes_into_a_file_without_a_name_is_not_called_stored(
    writer: Writer, path: Path, make: Make
) -> None:
    assert outcomes(writer, order(make()))[0][0].created
    lose(path)

    (said,) = outcomes(writer, order(make()))

    assert isinstance(said, StoreFailed)
    assert "removed or replaced" in str(said)


async def test_no_changes_are_kept_for_who_died_without_a_word(
    writer: Writer, db: sqlite3.Connection, make: Make
) -> None:
    def kept() -> int:
        return db.execute("SELECT count(*) FROM changes").fetchone()[0]

    listen = "INSERT INTO listeners (id, pid, born_at, boot, space, version) VALUES ('other', ?, ?, ?, ?, 1)"
    db.execute(listen, place())
    outcomes(writer, order(make()), tidying(writer))
    assert kept() == 1
    db.execute("UPDATE listeners SET pid = ?", (2**22 + 1,))
    outcomes(writer, tidying(writer))
    outcomes(writer, order(make()))
    assert kept() == 1


async def test_the_disk_is_waited_for_by_what_outlives_the_machine_only(writer: Writer, make: Make) -> None:
    def level() -> int:
        return writer._db.execute("PRAGMA synchronous").fetchone()[0]  # pyright: ignore[reportPrivateUsage] - of its own connection

    outcomes(writer, order(make()))
    assert level() == 2
    outcomes(writer, order(make())._replace(lasting=False))
    assert level() == 1
    outcomes(writer, order(make())._replace(lasting=False), order(make()))
    assert level() == 2
