"""Deliveries of ends: stored with them, taken by one, tried, given up, asked for again."""

from __future__ import annotations

import asyncio

from dragoman.core.call import Codec
from dragoman.tasks.state import ENDS, State, Step
from dragoman.tasks.task import DELIVERED_BYTES_MAX, Delivered, Runner
from dragoman.testing.task_store.ending import ended_as
from dragoman.testing.task_store.hosts import HOUR, NOW, Part


class Delivering(Part):
    """Callbacks, as far as they are the store's concern."""

    async def test_every_end_is_delivered(self) -> None:
        """Whoever brought it about; without a callback there is nothing to deliver."""
        async with self.hosts(2) as (one, other):
            expected: dict[str, State] = {}
            for state in ENDS:
                expected[await ended_as(one, state, callback=b"there", body=b"in")] = state
            pending = await one.submit(callback=b"there", function="g")
            await one.store.cancel(pending, NOW)
            late = await one.submit(callback=b"there", function="g", deadline=NOW + 1)
            await one.store.tick(NOW + 1)
            lost = await one.start(callback=b"there", attempts_max=1)
            await other.store.reap(one.runner, NOW, b"gone")
            expected |= {pending: State.CANCELLED, late: State.TIMED_OUT, lost.task.id: State.DEAD}
            await ended_as(other, State.SUCCEEDED)

            taken = await other.store.deliveries(other.runner, 100, NOW)

            assert {each.task.id: each.task.state for each in taken} == expected
            assert {(each.target, each.number, each.fault) for each in taken} == {(b"there", 1, "")}
            assert len({each.id for each in taken}) == len(taken)
            (lost_too,) = [each.task for each in taken if each.task.id == lost.task.id]
            assert (lost_too.fault, lost_too.finished_at) == (b"gone", NOW)
            assert {each.task.submission.body for each in taken} == {b""}

    async def test_a_delivery_holds_no_large_result(self) -> None:
        """Nor an input: very many are in hand at a time."""
        async with self.hosts() as (host,):
            for size in (1, 600, DELIVERED_BYTES_MAX, DELIVERED_BYTES_MAX + 1, 1_000_000):
                started = await host.start(callback=b"there", body=b"in")
                await host.settle(started, Step.SUCCEED, result=b"r" * size, codec=Codec.BYTES)
            taken = await host.store.deliveries(host.runner, 100, NOW)
            assert sorted(len(each.task.result) for each in taken) == [0, 0, 1, 600, DELIVERED_BYTES_MAX]
            assert {each.task.result_codec for each in taken} == {Codec.BYTES}
            assert {each.task.submission.body for each in taken} == {b""}

    async def test_a_delivery_tells_of_the_end_that_it_is_about(self) -> None:
        """Though the task has been replayed since, and has ended anew: that is another delivery."""
        async with self.hosts() as (host,):
            task = await ended_as(host, State.FAILED, callback=b"there")
            await host.store.replay(task, NOW + 1, 1)
            (first,) = await host.store.deliveries(host.runner, 9, NOW + 1)
            assert (first.task.state, first.task.finished_at, first.task.fault) == (State.FAILED, NOW, b'{"code": "X"}')
            (claimed,) = await host.claim(now=NOW + 1)
            await host.settle(claimed, Step.SUCCEED, result=b"r", ended_at=NOW + 2)
            (second,) = await host.store.deliveries(host.runner, 9, NOW + 2)
            assert (second.task.state, second.task.result) == (State.SUCCEEDED, b"r")
            assert second.id != first.id

    async def test_a_delivery_is_taken_by_one(self) -> None:
        """However many hosts ask, and at most as many as they ask for."""
        async with self.hosts(3) as hosts:
            for _ in range(20):
                await ended_as(hosts[0], State.SUCCEEDED, callback=b"there")
            rounds = await asyncio.gather(
                *(host.store.deliveries(host.runner, 3, NOW) for _ in range(4) for host in hosts)
            )
            taken = [each.id for batch in rounds for each in batch]
            assert max(len(batch) for batch in rounds) <= 3
            assert len(taken) == len(set(taken)) == 20

    async def test_a_delivery_is_tried_again_when_it_is_due(self) -> None:
        """Counted, with what was wrong; one that was not tried does not count. A wrong token changes nothing."""
        async with self.hosts() as (host,):
            await ended_as(host, State.SUCCEEDED, callback=b"there")
            (first,) = await host.store.deliveries(host.runner, 9, NOW)
            await host.store.delivered([Delivered(first.id, first.token + 1, done=True)])
            await host.store.delivered([Delivered(first.id, first.token, due_at=NOW + HOUR, fault="busy")])
            assert await host.store.deliveries(host.runner, 9, NOW) == []
            (second,) = await host.store.deliveries(host.runner, 9, NOW + HOUR)
            assert (second.id, second.number, second.fault) == (first.id, 2, "busy")
            await host.store.delivered([Delivered(first.id, first.token, done=True)])
            await host.store.delivered([Delivered(second.id, second.token, due_at=NOW, tried=False)])
            (third,) = await host.store.deliveries(host.runner, 9, NOW)
            assert third.number == 2
            await host.store.delivered([Delivered(third.id, third.token, done=True)])
            assert await host.store.deliveries(host.runner, 9, NOW + 9 * HOUR) == []
            await host.store.delivered([])

    async def test_what_was_given_up_is_kept_and_may_be_tried_anew(self) -> None:
        """The latest first, until somebody asks for it."""
        async with self.hosts() as (host,):
            tasks = [await ended_as(host, State.SUCCEEDED, callback=b"there") for _ in range(3)]
            for each in await host.store.deliveries(host.runner, 9, NOW):
                await host.store.delivered([Delivered(each.id, each.token, dead=True, fault="gone")])
            given_up = await host.store.undelivered()
            assert [each.task.id for each in given_up] == tasks[::-1]
            assert {each.fault for each in given_up} == {"gone"}
            assert len(await host.store.undelivered(2)) == 2
            assert await host.store.redeliver(given_up[0].id, NOW)
            assert not await host.store.redeliver(given_up[0].id, NOW)
            assert not await host.store.redeliver("nobody", NOW)
            (again,) = await host.store.deliveries(host.runner, 9, NOW)
            assert (again.id, again.number) == (given_up[0].id, 1)
            assert len(await host.store.undelivered()) == 2

    async def test_deliveries_of_a_runner_that_is_gone_are_due_again(self) -> None:
        """And what it says of them later is not heard."""
        async with self.hosts(2) as (one, other):
            await ended_as(one, State.SUCCEEDED, callback=b"there")
            (taken,) = await one.store.deliveries(one.runner, 9, NOW)
            await other.store.reap(one.runner, NOW, b"")
            (again,) = await other.store.deliveries(other.runner, 9, NOW)
            assert again.id == taken.id
            await one.store.delivered([Delivered(taken.id, taken.token, done=True)])
            await other.store.delivered([Delivered(again.id, again.token, due_at=NOW)])
            assert await one.store.deliveries(one.runner, 9, NOW) == []
            await one.store.enlist(Runner(one.runner))
            assert len(await one.store.deliveries(one.runner, 9, NOW)) == 1
