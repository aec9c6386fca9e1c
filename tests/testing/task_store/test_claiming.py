"""The suite's part `claiming` finds stores that break its promises."""

from collections.abc import Sequence
from dataclasses import replace

from dragoman.tasks.task import Claimed, Submission, Submitted, Want
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_store.claiming import Claiming
from tests.testing.task_store.broken import finds


class Unlimited(MemoryStore):
    async def claim(self, runner: str, wants: Sequence[Want], now: int) -> list[Claimed]:
        return await super().claim(runner, [replace(want, limit=0) for want in wants], now)


class FirstComeFirstServed(MemoryStore):
    """Takes all callers for one."""

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        told = await super().submit(submissions)
        for position, kept in enumerate(self._memory.tasks.values()):
            kept.turn = position
        return told


async def test_a_store_without_limits_is_found() -> None:
    await finds(Claiming, "test_no_more_run_than_the_limit_on_all_hosts_together", Unlimited)


async def test_a_store_that_is_not_fair_is_found() -> None:
    await finds(Claiming, "test_callers_take_turns", FirstComeFirstServed)
    await finds(Claiming, "test_who_submits_one_at_a_time_gets_no_more_than_its_share", FirstComeFirstServed)
