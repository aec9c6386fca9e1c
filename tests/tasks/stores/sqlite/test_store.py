"""The store in one file does what all stores promise."""

from itertools import count
from pathlib import Path

import pytest

from dragoman.tasks.store import Store
from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.stores.sqlite.options import Options
from dragoman.tasks.task import Change
from dragoman.testing.task_store import TaskStoreSuite
from tests.tasks.stores.machine import explore
from tests.tasks.stores.sqlite.conftest import Make

NUMBERS = count()


async def test_what_was_stored_is_there_for_the_next_one(tmp_path: Path, make: Make) -> None:
    heard: list[Change] = []
    store = SqliteStore(tmp_path / "tasks.db")
    store.listen(heard.extend)
    await store.open()
    assert [each.created for each in await store.submit([make(), make()])] == [True, True]
    assert [change.id for change in heard] == ["t1", "t2"]
    await store.close()

    again = SqliteStore(tmp_path / "tasks.db")
    await again.open()

    assert await again.get("t1") is not None
    await again.close()


class Unsynced:
    """Stores that need not outlive the machine, over data of their own."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{next(NUMBERS)}.db"

    def make(self) -> Store:
        return SqliteStore(self._path, Options(full_sync=False))


def test_any_order_of_operations_does_as_the_model_does(tmp_path: Path) -> None:
    explore(lambda: Unsynced(tmp_path))


class TestSqliteStore(TaskStoreSuite):
    @pytest.fixture(autouse=True)
    def keep(self, tmp_path: Path) -> None:
        self.path = tmp_path / "tasks.db"

    def make(self) -> Store:
        return SqliteStore(self.path)
