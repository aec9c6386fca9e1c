"""What is submitted is stored, once, as it was given."""

from __future__ import annotations

import asyncio

from dragoman.core.call import Codec, Priority
from dragoman.tasks.state import State, Step
from dragoman.testing.task_store.hosts import HOUR, NOW, Part, new_id, submission

LARGE = 3 << 20
"""Bytes of a large input: more than any store would want in a row."""


class Submitting(Part):
    """Submissions, their ids and keys."""

    async def test_all_of_a_submission_comes_back(self) -> None:
        """Nothing is lost, changed or made up, whatever it holds."""
        given = submission(
            function="reports.build",
            version="sha256:0123",
            body=b"\x00\xffnot text",
            codec=Codec.MSGPACK,
            reply_codec=Codec.ARROW,
            caller="søren@example.org",
            priority=Priority.BATCH,
            key="'; DROP TABLE tasks; --",
            fingerprint=bytes(range(32)),
            deadline=NOW + HOUR,
            attempt_s=1.25,
            attempts_max=7,
            trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            parent=new_id(),
            schedule="nightly",
            callback=b'{"url": "https://example.org"}',
        )
        async with self.hosts(2) as (one, other):
            (told,) = await one.store.submit([given])
            assert (told.id, told.created, told.state, told.refused) == (given.id, True, State.PENDING, False)

            task = await other.task(given.id)
            assert task.submission == given
            assert (task.state, task.attempts, task.due_at, task.started_at, task.finished_at) == (
                State.PENDING,
                0,
                NOW,
                0,
                0,
            )
            assert (task.result, task.fault, task.cancelling, task.waits_for) == (b"", b"", False, 0)
            assert task.seq > 0
            outline = await other.store.get(given.id)
            assert outline is not None
            assert outline.submission.body == b""
            assert await other.store.get(new_id()) is None

    async def test_inputs_and_results_may_be_large_or_empty(self) -> None:
        """Wherever they are kept."""
        large = bytes(range(256)) * (LARGE // 256)
        async with self.hosts(2) as (one, other):
            for body in (large, b"", b"x" * 511, b"x" * 512):
                claimed = await one.start(body=body)
                assert claimed.task.submission.body == body
                assert await one.settle(claimed, Step.SUCCEED, result=body, codec=Codec.BYTES)
                task = await other.task(claimed.task.id)
                assert (task.submission.body, task.result, task.result_codec) == (body, body, Codec.BYTES)

    async def test_a_key_makes_submissions_one_for_its_function_and_caller(self) -> None:
        """Where the input is another one, it is refused; for another caller or function, the key is another one."""
        async with self.hosts(2) as (one, other):
            first = await one.submit(key="k", fingerprint=b"1")
            again, changed, stranger, elsewhere = await other.store.submit(
                [
                    submission(key="k", fingerprint=b"1"),
                    submission(key="k", fingerprint=b"2"),
                    submission(key="k", fingerprint=b"1", caller="stranger"),
                    submission(key="k", fingerprint=b"1", function="g"),
                ]
            )
            assert (again.id, again.created, again.refused) == (first, False, False)
            assert (changed.id, changed.created, changed.refused) == (first, False, True)
            assert stranger.created
            assert elsewhere.created
            assert sum((await one.store.census()).counts.values()) == 3

    async def test_a_key_tells_what_became_of_its_task(self) -> None:
        """The state is that of now."""
        async with self.hosts() as (host,):
            claimed = await host.start(key="k")
            (told,) = await host.store.submit([submission(key="k")])
            assert (told.id, told.state) == (claimed.task.id, State.RUNNING)

    async def test_many_who_submit_one_key_at_once_submit_one_task(self) -> None:
        """From one host, and from several."""
        async with self.hosts(3) as hosts:
            told = await asyncio.gather(*(host.store.submit([submission(key="k")]) for host in hosts * 10))
            assert len({each.id for (each,) in told}) == 1
            assert sum(each.created for (each,) in told) == 1

    async def test_an_id_that_is_there_is_that_task(self) -> None:
        """So whoever is not sure whether it was stored may ask again."""
        given = submission()
        async with self.hosts(2) as (one, other):
            told = await asyncio.gather(*(host.store.submit([given, given]) for host in (one, other)))
            assert sorted(each.created for batch in told for each in batch) == [False, False, False, True]
            assert len(await one.claim(5)) == 1

    async def test_what_is_for_later_is_scheduled(self) -> None:
        """Until somebody's tick has come to that moment."""
        async with self.hosts(2) as (one, other):
            later = await one.submit(not_before=NOW + HOUR)
            past = await one.submit(not_before=NOW - HOUR)
            assert await one.state(later) is State.SCHEDULED
            assert await one.state(past) is State.PENDING
            assert [each.task.id for each in await other.claim(5, now=NOW + 2 * HOUR)] == [past]

            assert await other.store.tick(NOW) == NOW + HOUR
            assert await one.state(later) is State.SCHEDULED
            assert await other.store.tick(NOW + HOUR) == 0
            assert await one.state(later) is State.PENDING
            assert [each.task.id for each in await one.claim(5)] == [later]

    async def test_a_batch_of_any_size_is_stored_whole(self) -> None:
        """In its order, answered in its order."""
        given = [submission() for _ in range(2500)]
        async with self.hosts() as (host,):
            assert await host.store.submit([]) == []
            assert [each.id for each in await host.store.submit(given)] == [each.id for each in given]
            assert [each.task.id for each in await host.claim(3000)] == [each.id for each in given]
