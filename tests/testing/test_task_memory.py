"""The store in memory keeps all promises but the one to outlive its process."""

import pytest

from dragoman.tasks.store import Store
from dragoman.tasks.task import Submission
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_shelf import Memory
from dragoman.testing.task_store import TaskStoreSuite


async def test_hosts_share_a_memory() -> None:
    one, other = (MemoryStore(memory) for memory in [Memory()] * 2)
    await one.open()
    await other.open()
    await one.submit([Submission("a", "f", "1", b"in")])

    task = await other.get("a", whole=True)

    assert task is not None
    assert task.submission.body == b"in"


class TestMemoryStore(TaskStoreSuite):
    @pytest.fixture(autouse=True)
    def remember(self) -> None:
        self.memory = Memory()

    def make(self) -> Store:
        return MemoryStore(self.memory)
