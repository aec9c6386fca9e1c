"""The store in one file does what all stores promise."""

import asyncio
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from dragoman.tasks.store import Store
from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.stores.sqlite.opening import connect
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


@pytest.mark.parametrize("name", ["a b?mode=ro#%41.db", "ünïcode.db", "deep/er/tasks.db", ":memory:"])
async def test_a_file_may_have_any_name(tmp_path: Path, name: str, make: Make) -> None:
    store = SqliteStore(tmp_path / name)
    await store.open()
    await store.submit([make()])
    await store.close()

    assert [str(each.relative_to(tmp_path)) for each in files(tmp_path)] == [name]


async def test_a_file_may_be_a_link_to_another(tmp_path: Path, make: Make) -> None:
    link(tmp_path / "link.db", tmp_path / "there" / "tasks.db")
    for each in (tmp_path / "link.db", tmp_path / "there" / "tasks.db"):
        store = SqliteStore(each)
        await store.open()
        await store.submit([make()])
        await store.close()

    assert [each.name for each in files(tmp_path)] == ["link.db", "tasks.db"]


async def test_it_may_be_opened_again(tmp_path: Path, make: Make) -> None:
    store = SqliteStore(tmp_path / "tasks.db")
    for _ in range(2):
        await store.open()
        await store.submit([make()])
        await store.close()


async def test_nothing_is_kept_for_who_has_left_while_others_wrote(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "tasks.db")
    store.listen(lambda _: None)
    await store.open()
    with closing(connect(tmp_path / "tasks.db", 1.0)) as db:
        db.execute("BEGIN IMMEDIATE")
        closing_ = asyncio.ensure_future(store.close())
        await asyncio.wait([closing_], timeout=0.1)
        db.execute("COMMIT")
        await closing_
        assert db.execute("SELECT count(*) FROM listeners").fetchone() == (0,)


async def test_the_log_does_not_grow_without_end(tmp_path: Path, make: Make) -> None:
    store = SqliteStore(tmp_path / "tasks.db", Options(full_sync=False))
    await store.open()
    for _ in range(100):
        await store.submit([make(body=bytes(1 << 20))])
    assert size(tmp_path / "tasks.db-wal") < 64 << 20
    await store.close()


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if not each.is_dir())


def size(path: Path) -> int:
    return path.stat().st_size


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
