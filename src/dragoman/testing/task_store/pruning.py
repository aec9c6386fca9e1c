"""What is counted, what is forgotten, and when schedules are fired."""

from __future__ import annotations

import asyncio

from dragoman.tasks.state import State, Step
from dragoman.tasks.task import US, Delivered, Keeping, Query, Told
from dragoman.testing.task_store.ending import ended_as
from dragoman.testing.task_store.hosts import HOUR, NOW, Part, submission


class Pruning(Part):
    """Census, pruning, schedules."""

    async def test_tasks_are_counted_as_they_are(self) -> None:
        """By function and state, with the oldest that waits."""
        async with self.hosts(2) as (one, other):
            assert (await one.store.census()).counts == {}
            await one.submit(submitted_at=NOW + 5)
            await one.submit(submitted_at=NOW + 3)
            await other.submit(submitted_at=NOW + 9, function="g")
            await other.submit(not_before=NOW + HOUR, function="g")
            await ended_as(one, State.DEAD, function="h")
            lost = await one.start(function="h")
            await other.store.reap(one.runner, NOW, b"")
            census = await one.store.census()
            assert {key: count for key, count in census.counts.items() if count} == {
                ("f", State.PENDING): 2,
                ("g", State.PENDING): 1,
                ("g", State.SCHEDULED): 1,
                ("h", State.DEAD): 1,
                ("h", State.RETRYING): 1,
            }
            assert census.oldest == {"f": NOW + 3, "g": NOW + 9}
            await one.store.tick(NOW)
            await one.store.cancel(lost.task.id, NOW)
            counts = (await other.store.census()).counts
            assert counts["h", State.CANCELLED] == 1
            assert not counts.get(("h", State.RETRYING))

    async def test_what_ended_too_long_ago_is_forgotten(self) -> None:
        """Entirely; what is open stays, however old."""
        async with self.hosts() as (host,):
            old = await host.start(body=b"x" * 5000)
            await host.store.tell([Told(old.task.id, old.token, NOW, lines=(("info", "said"),))])
            await host.settle(old, Step.RETRY, fault=b"1")
            await host.store.tick(NOW)
            (again,) = await host.claim()
            await host.settle(again, Step.SUCCEED, result=b"y" * 5000)
            pending = await host.submit()
            young = await ended_as(host, State.SUCCEEDED, function="g")
            keeping = Keeping(age_s=10.0, count=0)
            assert await host.store.prune(keeping, NOW + 10 * US) == 0
            await host.store.replay(await ended_as(host, State.DEAD, function="h"), NOW, 1)
            assert await host.store.prune(keeping, NOW + 11 * US, limit=1) == 1
            assert await host.store.get(old.task.id) is None
            assert await host.store.attempts(old.task.id) == []
            assert await host.store.notes(old.task.id) == []
            assert await host.store.prune(keeping, NOW + 11 * US) == 1
            assert await host.store.get(young) is None
            assert await host.state(pending) is State.PENDING
            assert sum((await host.store.census()).counts.values()) == 2

    async def test_of_too_many_the_oldest_are_forgotten(self) -> None:
        """So many of them at a time; no bound is no bound."""
        async with self.hosts() as (host,):
            ended: list[str] = []
            for moment in range(10):
                claimed = await host.start()
                await host.settle(claimed, Step.SUCCEED, ended_at=NOW + moment)
                ended.append(claimed.task.id)
            await host.submit()
            assert await host.store.prune(Keeping(0, 0), NOW + 9 * HOUR) == 0
            assert await host.store.prune(Keeping(0, 4), NOW, limit=4) == 4
            assert await host.store.prune(Keeping(0, 4), NOW, limit=4) == 2
            assert await host.store.prune(Keeping(0, 4), NOW, limit=4) == 0
            kept = await host.store.find(Query(frozenset({State.SUCCEEDED})))
            assert [each.id for each in kept] == ended[:5:-1]

    async def test_a_key_is_free_once_its_task_is_forgotten(self) -> None:
        """And an id too."""
        async with self.hosts() as (host,):
            given = submission(key="k", fingerprint=b"1")
            await host.store.submit([given])
            await host.store.cancel(given.id, NOW)
            await host.store.prune(Keeping(1, 0), NOW + HOUR)
            (told,) = await host.store.submit([submission(key="k", fingerprint=b"2")])
            assert told.created

    async def test_what_is_yet_to_be_delivered_is_not_forgotten(self) -> None:
        """Until it is delivered, or given up."""
        async with self.hosts() as (host,):
            told, given_up = [await ended_as(host, State.SUCCEEDED, callback=b"x") for _ in range(2)]
            keeping = Keeping(1.0, 1)
            assert await host.store.prune(keeping, NOW + HOUR) == 0
            first, second = await host.store.deliveries(host.runner, 2, NOW)
            assert await host.store.prune(keeping, NOW + HOUR) == 0
            await host.store.delivered([Delivered(first.id, first.token, done=True)])
            await host.store.delivered([Delivered(second.id, second.token, dead=True)])
            assert {first.task.id, second.task.id} == {told, given_up}
            assert await host.store.prune(keeping, NOW + HOUR) == 2
            assert await host.store.undelivered() == []

    async def test_a_moment_of_a_schedule_is_fired_by_one(self) -> None:
        """Once, never after a later one, and with its task or not at all."""
        async with self.hosts(3) as hosts:
            store = hosts[0].store
            assert await store.last_slot("nightly") == 0
            fired = await asyncio.gather(
                *(host.store.fire("nightly", NOW, submission(schedule="nightly")) for host in hosts * 3)
            )
            assert sum(fired) == 1
            assert not await store.fire("nightly", NOW - 1, submission(schedule="nightly"))
            assert await store.fire("nightly", NOW + 2, None)
            assert not await store.fire("nightly", NOW + 1, submission(schedule="nightly"))
            assert await store.fire("hourly", NOW, submission(schedule="hourly"))
            assert await hosts[1].store.last_slot("nightly") == NOW + 2
            assert len(await store.find(Query(schedule="nightly"))) == 1
            assert len(await store.find(Query())) == 2
