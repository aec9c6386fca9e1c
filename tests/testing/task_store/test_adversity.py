"""The suite's part `adversity` finds stores that break its promises."""

from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_store.adversity import Adversity
from tests.testing.task_store.broken import finds


class Lenient(MemoryStore):
    """Has one token for all attempts of a task, so whoever was thought dead may still end it."""

    async def reap(self, runner: str, now: int, fault: bytes) -> int:
        for kept in self._memory.tasks.values():
            kept.token = 0
        return await super().reap(runner, now, fault)


class Patient(MemoryStore):
    """Has tasks pause until their moment, wherever clocks have gone."""

    async def hurry(self, now: int) -> None:
        """Do nothing."""


async def test_a_store_that_lets_tasks_pause_for_an_hour_is_found() -> None:
    await finds(Adversity, "test_what_pauses_is_due_once_a_clock_has_gone_back", Patient)


async def test_a_store_that_hears_the_dead_is_found() -> None:
    await finds(Adversity, "test_a_runner_that_wakes_after_its_lease_changes_nothing", Lenient)
    await finds(Adversity, "test_any_order_of_operations_does_as_the_model_does", Lenient)
