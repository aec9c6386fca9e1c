"""A file of tasks with its tables, and one transaction on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dragoman.tasks.stores.sqlite.opening import connect, create
from dragoman.tasks.stores.sqlite.running import enlist
from dragoman.tasks.stores.sqlite.turns import Turns
from dragoman.tasks.stores.sqlite.work import Work
from dragoman.tasks.task import Runner, Submission

Make = Callable[..., Submission]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.db"
    create(path)
    return path


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    db = connect(path, 1.0)
    yield db
    db.close()


@pytest.fixture
def work(db: sqlite3.Connection) -> Work:
    """The work of one transaction that nobody commits; runner `r` is known."""
    work = Work(db, Turns(db))
    enlist(work, Runner("r"))
    return work


@pytest.fixture
def make() -> Make:
    """Submissions with ids `t1`, `t2`, ..., of function `f`."""
    numbers = count(1)

    def made(**fields: Any) -> Submission:
        given: dict[str, Any] = {"id": f"t{next(numbers)}", "function": "f", "version": "1", "body": b"{}", **fields}
        return Submission(**given)

    return made
