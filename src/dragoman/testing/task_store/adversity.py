"""Bad luck: hosts that go, pause and come back, clocks that jump, many at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from dragoman.tasks.state import State, Step
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.task import US, Delivered, Keeping, Query, Runner
from dragoman.testing.task_store.hosts import HOUR, NOW, Host, Part, new_id, submission
from dragoman.testing.task_store.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Awaitable

STORM_TASKS = 120
"""Enough for every kind of end to come several times."""


async def trouble(asked: Awaitable[object]) -> str:
    """What a store that cannot do it says. Raises `AssertionError` where it can."""
    try:
        await asked
    except StoreFailed as failed:
        return str(failed)
    raise AssertionError("the store did it")


class Adversity(Part):
    """Faults that every store is to survive."""

    async def test_a_runner_lives_as_long_as_it_moves(self) -> None:
        """Others see it count, whatever their clocks say; who is reaped learns of it."""
        async with self.hosts(2) as (one, other):
            known = Runner(new_id(), 42, 1.5, "boot", "space", "a name")
            await one.store.enlist(known)
            (before,) = [each for each in await other.store.beats() if each.runner == known]
            assert (await one.store.pulse(known.id)).known
            (after,) = [each for each in await other.store.beats() if each.runner == known]
            assert after.count > before.count
            assert await other.store.reap(known.id, NOW, b"") == 0
            assert known not in [each.runner for each in await one.store.beats()]
            assert not (await one.store.pulse(known.id)).known
            assert not (await one.store.pulse(new_id())).known

    async def test_what_a_lost_runner_ran_is_tried_again_or_ends(self) -> None:
        """With the fault that it is given, once, and as an attempt that counts."""
        async with self.hosts(2) as (one, other):
            first = await one.start(attempts_max=2)
            late = await one.start(attempts_max=2, deadline=NOW + 1)
            cancelled = await one.start(attempts_max=2)
            await one.store.cancel(cancelled.task.id, NOW)
            kept = await other.start()
            assert await other.store.reap(one.runner, NOW + 1, b"gone") == 3
            assert await other.store.reap(one.runner, NOW + 1, b"gone") == 0
            await other.store.tick(NOW + 1)
            states = [await one.state(each.task.id) for each in (first, late, cancelled, kept)]
            assert states == [State.PENDING, State.TIMED_OUT, State.CANCELLED, State.RUNNING]
            (again,) = await other.claim(now=NOW + 1)
            assert (again.task.attempts, again.task.fault) == (2, b"gone")
            await one.store.enlist(Runner(one.runner))
            await other.store.reap(other.runner, NOW + 2, b"too")
            task = await one.task(first.task.id)
            assert (task.state, task.fault, task.finished_at) == (State.DEAD, b"too", NOW + 2)
            attempts = await one.store.attempts(first.task.id)
            assert [(each.number, each.fault, each.ended_at) for each in attempts] == [
                (1, b"gone", NOW + 1),
                (2, b"too", NOW + 2),
            ]

    async def test_a_runner_that_wakes_after_its_lease_changes_nothing(self) -> None:
        """Its tokens are void: whoever has the task now records the outcome."""
        async with self.hosts(2) as (paused, other):
            claimed = await paused.start()
            await other.store.reap(paused.runner, NOW, b"")
            await other.store.tick(NOW)
            (again,) = await other.claim()
            assert not await paused.settle(claimed, Step.SUCCEED, result=b"stale")
            assert await other.settle(again, Step.SUCCEED, result=b"good")
            assert not await paused.settle(claimed, Step.RETRY)
            task = await paused.task(claimed.task.id)
            assert (task.state, task.result) == (State.SUCCEEDED, b"good")

    async def test_clocks_that_jump_lose_nothing(self) -> None:
        """An hour back or forth between any two steps: what waits is claimed, what runs goes on."""
        async with self.hosts(2) as (one, other):
            for jump in (-HOUR, HOUR):
                then = NOW + jump
                claimed = await one.start(now=then)
                await other.store.tick(then)
                assert (await one.store.pulse(one.runner)).known
                assert await other.state(claimed.task.id) is State.RUNNING
                assert await one.settle(claimed, Step.RETRY, ended_at=NOW - jump, due_at=NOW - jump)
                await other.store.tick(max(NOW, NOW - jump))
                (again,) = await one.claim(now=then)
                assert await one.settle(again, Step.RELEASE, ended_at=then)
                (last,) = await other.claim(now=NOW - jump)
                assert await other.settle(last, Step.SUCCEED, ended_at=NOW - jump)
                assert await one.store.prune(Keeping(age_s=2 * HOUR / US, count=0), NOW) == 0
                assert await one.state(claimed.task.id) is State.SUCCEEDED

    async def test_what_pauses_is_due_once_a_clock_has_gone_back(self) -> None:
        """However far ahead it was due; what was asked to run later, and what waits for others, is not."""
        async with self.hosts(2) as (one, other):
            retrying, released, delayed = await one.start(), await one.start(), await one.submit(not_before=NOW + HOUR)
            child = await one.submit(function="child")
            suspended = await one.start(function="parent")
            assert await one.settle(suspended, Step.SUSPEND, waits_for=(child,))
            assert await one.settle(retrying, Step.RETRY, due_at=NOW + 5)
            assert await one.settle(released, Step.RELEASE, due_at=NOW + 5)
            past = NOW - HOUR
            await other.store.tick(past)
            assert await other.claim(9, now=past) == []
            await other.store.hurry(past)
            await other.store.tick(past)
            claimed = await other.claim(9, now=past)
            assert {each.task.id for each in claimed} == {retrying.task.id, released.task.id}
            assert await one.state(delayed) is State.SCHEDULED
            assert await one.state(suspended.task.id) is State.SCHEDULED

    async def test_a_delivery_that_pauses_is_due_once_a_clock_has_gone_back(self) -> None:
        """One that was given up stays so."""
        async with self.hosts(2) as (one, other):
            for step in (Step.SUCCEED, Step.FAIL):
                assert await one.settle(await one.start(callback=b"there"), step)
            paused, given_up = await one.store.deliveries(one.runner, 9, NOW)
            await one.store.delivered(
                [
                    Delivered(paused.id, paused.token, due_at=NOW + HOUR, fault="busy"),
                    Delivered(given_up.id, given_up.token, dead=True, fault="gone"),
                ]
            )
            past = NOW - HOUR
            assert await other.store.deliveries(other.runner, 9, past) == []
            await other.store.hurry(past)
            (again,) = await other.store.deliveries(other.runner, 9, past)
            assert (again.id, again.number, again.fault) == (paused.id, 2, "busy")
            assert [each.id for each in await one.store.undelivered()] == [given_up.id]

    async def test_what_was_given_back_is_due_when_that_says(self) -> None:
        """And not when it was due before, which may be later: by a clock that has gone back since."""
        async with self.hosts() as (host,):
            claimed, past = await host.start(), NOW - HOUR
            assert await host.settle(claimed, Step.RELEASE, ended_at=past, due_at=past + 5)
            await host.store.tick(past + 5)
            (again,) = await host.claim(now=past + 5)
            assert again.task.id == claimed.task.id

    async def test_one_that_cannot_be_stored_takes_no_other_along(self) -> None:
        """It is refused clearly; what came with it is stored."""
        async with self.hosts() as (host,):
            bad = [host.store.submit([submission(caller="\ud800")]) for _ in range(3)]
            good = [host.store.submit([submission()]) for _ in range(20)]
            said = await asyncio.gather(*good[:7], *bad, *good[7:], return_exceptions=True)
            assert [type(each) for each in said[7:10]] == [StoreFailed] * 3
            assert sum(not isinstance(each, BaseException) for each in said) == 20
            assert sum((await host.store.census()).counts.values()) == 20

    async def test_what_was_answered_is_there_after_the_end(self) -> None:
        """A host that ends finishes what it was asked for, or says that it did not."""
        store = self.make()
        assert "closed" in await trouble(store.get(""))
        await store.open()
        given = [submission() for _ in range(50)]
        asked = [asyncio.ensure_future(store.submit([each])) for each in given]
        await asyncio.sleep(0)
        await store.close()
        said = await asyncio.gather(*asked, return_exceptions=True)
        stored = {each[0].id for each in said if not isinstance(each, BaseException)}
        assert all(isinstance(each, StoreFailed) for each in said if isinstance(each, BaseException))
        assert "closed" in await trouble(store.submit([submission()]))
        assert "closed" in await trouble(store.census())
        await store.close()
        async with self.hosts() as (host,):
            assert stored <= {each.id for each in await host.store.find(Query(limit=100))}

    async def test_any_order_of_operations_does_as_the_model_does(self) -> None:
        """At random, from several hosts, step by step beside a store in memory."""
        async with self.hosts(3) as hosts:
            twin = Twin(hosts, Random(15))  # noqa: S311 - what is drawn is the order of a test
            await twin.begin()
            for _ in range(8):
                for _ in range(50):
                    await twin.step()
                await twin.compare()
            await twin.finish()

    async def test_hosts_that_come_and_go_lose_nothing_and_double_nothing(self) -> None:
        """Each task has one outcome, whoever was thought dead meanwhile."""
        async with self.hosts(4) as hosts:
            ids = [each.id for each in await hosts[0].store.submit([submission() for _ in range(STORM_TASKS)])]
            storm = Storm()
            await asyncio.gather(*(storm.work(host, hosts, seed) for seed, host in enumerate(hosts)))
            for each in ids:
                task = await hosts[0].task(each)
                attempts = await hosts[0].store.attempts(each)
                assert task.state in (State.SUCCEEDED, State.DEAD)
                assert [attempt.number for attempt in attempts] == list(range(1, task.attempts + 1))
                assert storm.outcomes[each] == (task.state is State.SUCCEEDED)
                assert task.attempts <= task.submission.attempts_max
                assert not task.result or task.result in storm.results[each]


class Storm:
    """Runners that work until nothing is left, and now and then take one another for dead."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.results: dict[str, list[bytes]] = {}

    async def work(self, host: Host, others: list[Host], seed: int) -> None:
        """Work as one of them."""
        random = Random(seed)  # noqa: S311 - as above
        while True:
            if not (await host.store.pulse(host.runner)).known:
                host.runner = new_id()
                await host.store.enlist(Runner(host.runner))
            await host.store.tick(NOW)
            claimed = await host.claim(random.randint(1, 8))
            if not claimed and await self._is_over(host):
                return
            if random.random() < 0.3:
                await host.store.reap(random.choice(others).runner, NOW, b"thought dead")
            for each in claimed:
                result = f"{host.runner} {each.token}".encode()
                if await host.settle(each, Step.SUCCEED, result=result):
                    self.outcomes[each.task.id] += 1
                    self.results.setdefault(each.task.id, []).append(result)

    @staticmethod
    async def _is_over(host: Host) -> bool:
        counts = (await host.store.census()).counts
        return not any(count for (_, state), count in counts.items() if not state.over)
