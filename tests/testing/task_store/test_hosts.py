"""Hosts of tests wait for what happens soon, and no longer."""

import pytest

from dragoman.tasks.identity import is_id
from dragoman.testing.task_store.hosts import new_id, until


def test_ids_of_tests_are_ids_and_sort_as_they_were_made() -> None:
    ids = [new_id() for _ in range(10_000)]

    assert all(is_id(each) for each in ids)
    assert ids == sorted(set(ids))


async def test_what_does_not_happen_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.testing.task_store.hosts.PATIENCE_S", 0.02)

    with pytest.raises(AssertionError):
        await until(lambda: False)
