"""Stores that break one promise each, and the check that a part of the suite finds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dragoman.tasks.store import Store
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_shelf import Memory
from dragoman.testing.task_store.hosts import Part


async def finds(part: type[Part], test: str, broken: Callable[[Memory], Store]) -> None:
    """The test of a part passes with a store that is whole, and fails with the broken one."""
    await getattr(_made(part, MemoryStore), test)()
    with pytest.raises(AssertionError):
        await getattr(_made(part, broken), test)()


def _made(part: type[Part], make: Callable[[Memory], Store]) -> Any:
    memory = Memory()

    class Made(part):
        def make(self) -> Store:
            return make(memory)

    return Made()
