"""The suite's part `submitting` finds stores that break its promises."""

from collections.abc import Sequence
from dataclasses import replace

from dragoman.tasks.task import Submission, Submitted
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_store.submitting import Submitting
from tests.testing.task_store.broken import finds


class Keyless(MemoryStore):
    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        return await super().submit([replace(each, key="") for each in submissions])


class Forgetful(MemoryStore):
    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        return await super().submit([replace(each, trace="") for each in submissions])


async def test_a_store_that_knows_no_keys_is_found() -> None:
    await finds(Submitting, "test_a_key_makes_submissions_one_for_its_function_and_caller", Keyless)
    await finds(Submitting, "test_many_who_submit_one_key_at_once_submit_one_task", Keyless)


async def test_a_store_that_loses_a_field_is_found() -> None:
    await finds(Submitting, "test_all_of_a_submission_comes_back", Forgetful)
