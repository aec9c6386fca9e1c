"""The suite's part `delivering` finds stores that break its promises."""

from dataclasses import replace

from dragoman.tasks.task import Delivery
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_store.delivering import Delivering
from tests.testing.task_store.broken import finds


class Generous(MemoryStore):
    """Gives deliveries to everybody."""

    async def deliveries(self, runner: str, count: int, now: int) -> list[Delivery]:
        taken = await super().deliveries(runner, count, now)
        for each in taken:
            self._memory.parcels[each.id].runner = ""
        return taken


class Modern(MemoryStore):
    """Tells of a task as it is now."""

    async def deliveries(self, runner: str, count: int, now: int) -> list[Delivery]:
        taken = await super().deliveries(runner, count, now)
        return [replace(each, task=self._memory.tasks[each.task.id].task) for each in taken]


async def test_a_store_that_gives_a_delivery_to_two_is_found() -> None:
    await finds(Delivering, "test_a_delivery_is_taken_by_one", Generous)


async def test_a_store_that_tells_of_another_end_is_found() -> None:
    await finds(Delivering, "test_a_delivery_tells_of_the_end_that_it_is_about", Modern)
