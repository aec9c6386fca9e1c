"""The store in one file does what all stores promise."""

from pathlib import Path

from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.task import Change
from tests.tasks.stores.sqlite.conftest import Make


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
