"""The suite's part `ending` finds stores that break its promises."""

from collections.abc import Sequence
from dataclasses import replace

from dragoman.tasks.state import State
from dragoman.tasks.task import Outcome
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_store.ending import Ending
from tests.testing.task_store.broken import finds


class Trusting(MemoryStore):
    """Takes any token for the right one."""

    async def settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        tasks = self._memory.tasks
        right = [replace(each, token=tasks[each.id].token) if each.id in tasks else each for each in outcomes]
        return await super().settle(right)


class Restless(MemoryStore):
    """Forgets that a task is being cancelled."""

    async def settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        for kept in self._memory.tasks.values():
            kept.task.cancelling = False
        return await super().settle(outcomes)


class Sleepy(MemoryStore):
    """Does not wake those that wait for what is cancelled."""

    async def cancel(self, id: str, now: int) -> State | None:  # noqa: A002 - the field's public name
        for kept in self._memory.tasks.values():
            kept.waits.discard(id)
        return await super().cancel(id, now)


async def test_a_store_that_believes_any_token_is_found() -> None:
    await finds(Ending, "test_only_the_token_that_holds_records_anything", Trusting)


async def test_a_store_that_forgets_a_cancel_is_found() -> None:
    await finds(Ending, "test_what_is_being_cancelled_does_not_run_again", Restless)


async def test_a_store_that_does_not_wake_is_found() -> None:
    await finds(Ending, "test_a_task_goes_on_when_the_last_that_it_waits_for_has_ended", Sleepy)
