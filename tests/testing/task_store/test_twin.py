"""The suite's part `twin` finds stores that break its promises."""

from dragoman.tasks.state import State
from dragoman.tasks.store import TICK_MAX
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_store.adversity import Adversity
from tests.testing.task_store.broken import finds


class Confused(MemoryStore):
    """Says that what it has cancelled is dead."""

    async def cancel(self, id: str, now: int) -> State | None:  # noqa: A002 - the field's public name
        state = await super().cancel(id, now)
        return State.DEAD if state is State.CANCELLED else state


class Late(MemoryStore):
    """Moves on what is due a moment too late."""

    async def tick(self, now: int, most: int = TICK_MAX) -> int:
        return await super().tick(now - 1, most)


async def test_a_store_that_answers_otherwise_than_the_model_is_found() -> None:
    await finds(Adversity, "test_any_order_of_operations_does_as_the_model_does", Confused)
    await finds(Adversity, "test_any_order_of_operations_does_as_the_model_does", Late)
