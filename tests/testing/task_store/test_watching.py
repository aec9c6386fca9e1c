"""The suite's part `watching` finds stores that break its promises."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from dragoman.tasks.task import Change, Told
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_store.watching import Watching
from tests.testing.task_store.broken import finds


class Talkative(MemoryStore):
    """Keeps what anybody says."""

    async def tell(self, told: Sequence[Told]) -> None:
        for each in told:
            if each.progress is not None:
                self._memory.tasks[each.id].task.progress = each.progress
        await super().tell(told)


class Confused(MemoryStore):
    """Keeps lines by their task alone, whose attempt has said them."""

    async def tell(self, told: Sequence[Told]) -> None:
        await super().tell([replace(each, token=self._memory.tasks[each.id].token) for each in told])


class Silent(MemoryStore):
    """Tells nobody that a pause is cut short."""

    async def hurry(self, now: int) -> None:
        listeners, self._memory.listeners = self._memory.listeners, []
        await super().hurry(now)
        self._memory.listeners = listeners


class Deaf(MemoryStore):
    """Hears nothing of what other hosts change."""

    def listen(self, heard: Callable[[Sequence[Change]], object]) -> None:
        if not self._memory.listeners:
            super().listen(heard)


async def test_a_store_that_listens_to_strangers_is_found() -> None:
    await finds(Watching, "test_only_who_runs_a_task_speaks_for_it", Talkative)


async def test_a_store_that_confuses_attempts_is_found() -> None:
    await finds(Watching, "test_who_no_longer_runs_a_task_says_nothing_beside_who_does", Confused)


async def test_a_store_that_does_not_tell_of_all_changes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.testing.task_store.hosts.PATIENCE_S", 0.2)

    await finds(Watching, "test_what_pauses_no_longer_is_heard_of", Silent)


async def test_a_store_that_tells_nobody_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.testing.task_store.hosts.PATIENCE_S", 0.2)

    await finds(Watching, "test_changes_are_heard_on_other_hosts", Deaf)
