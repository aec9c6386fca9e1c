"""The suite's part `finding` finds stores that break its promises."""

from dataclasses import replace

from dragoman.tasks.task import Query, Task
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_store.finding import Finding
from tests.testing.task_store.broken import finds


class OldestFirst(MemoryStore):
    async def find(self, query: Query) -> list[Task]:
        return (await super().find(query))[::-1]


class Careless(MemoryStore):
    async def find(self, query: Query) -> list[Task]:
        return await super().find(replace(query, schedule=""))


async def test_a_store_that_lists_in_another_order_is_found() -> None:
    await finds(Finding, "test_all_tasks_are_listed_the_newest_first", OldestFirst)


async def test_a_store_that_lists_too_much_is_found() -> None:
    await finds(Finding, "test_a_list_holds_what_was_asked_for", Careless)
