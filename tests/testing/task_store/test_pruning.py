"""The suite's part `pruning` finds stores that break its promises."""

from dragoman.tasks.task import Keeping, Submission
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_store.pruning import Pruning
from tests.testing.task_store.broken import finds


class Hasty(MemoryStore):
    """Forgets what is yet to be delivered."""

    async def prune(self, keeping: Keeping, now: int, limit: int = 1000) -> int:
        self._memory.parcels.clear()
        return await super().prune(keeping, now, limit)


class Repetitive(MemoryStore):
    async def fire(self, schedule: str, slot: int, submission: Submission | None) -> bool:
        self._memory.slots.pop(schedule, None)
        return await super().fire(schedule, slot, submission)


async def test_a_store_that_forgets_too_early_is_found() -> None:
    await finds(Pruning, "test_what_is_yet_to_be_delivered_is_not_forgotten", Hasty)


async def test_a_store_that_fires_twice_is_found() -> None:
    await finds(Pruning, "test_a_moment_of_a_schedule_is_fired_by_one", Repetitive)
