"""Who gets which tasks: by priority, in turn, no more than may run, each by one."""

from __future__ import annotations

import asyncio
from collections import Counter

from dragoman.core.call import Priority
from dragoman.tasks.state import State, Step
from dragoman.tasks.task import Runner, Want
from dragoman.testing.task_store.hosts import HOUR, NOW, Part, new_id, submission


class Claiming(Part):
    """Claims, turns and limits."""

    async def test_what_is_claimed_runs_under_a_lease(self) -> None:
        """It comes whole, with a token, and is nobody else's."""
        async with self.hosts(2) as (one, other):
            given = submission(body=b"input")
            await one.store.submit([given])
            (claimed,) = await other.claim(5)
            assert claimed.task.submission == given
            assert (claimed.task.state, claimed.task.attempts, claimed.task.started_at) == (State.RUNNING, 1, NOW)
            stored = await one.task(given.id)
            assert stored == claimed.task
            assert await one.claim(5) == []
            (attempt,) = await one.store.attempts(given.id)
            assert (attempt.number, attempt.runner, attempt.started_at, attempt.ended_at) == (1, other.runner, NOW, 0)

    async def test_urgent_tasks_go_first(self) -> None:
        """Priority is before turns and age."""
        async with self.hosts() as (host,):
            batch = await host.submit(priority=Priority.BATCH)
            normal = await host.submit()
            critical = await host.submit(priority=Priority.CRITICAL)
            assert [each.task.id for each in await host.claim(3)] == [critical, normal, batch]

    async def test_one_callers_tasks_go_in_their_order(self) -> None:
        """First come, first served."""
        async with self.hosts(2) as (one, other):
            ids = [await host.submit() for _ in range(5) for host in (one, other)]
            claimed = [each.task.id for _ in range(5) for host in (other, one) for each in await host.claim(1)]
            assert claimed == ids

    async def test_callers_take_turns(self) -> None:
        """Whoever comes with hundreds delays nobody else by more than a turn, however late those come."""
        async with self.hosts(2) as (one, other):
            await one.store.submit([submission(caller="many") for _ in range(300)])
            await one.claim(100)
            await other.store.submit([submission(caller=caller) for caller in ("few", "late") for _ in range(10)])
            callers = [each.task.submission.caller for each in await one.claim(33)]
            counted = Counter(callers)
            assert counted["few"] == counted["late"] == 10
            assert {"few", "late"} <= set(callers[:5])

    async def test_who_submits_one_at_a_time_gets_no_more_than_its_share(self) -> None:
        """Coming back for each single one is no way past those who wait."""
        async with self.hosts() as (host,):
            await host.store.submit([submission(caller="patient") for _ in range(100)])
            callers: list[str] = []
            for _ in range(40):
                await host.submit(caller="eager")
                callers += [each.task.submission.caller for each in await host.claim(1)]
            assert 19 <= callers.count("patient") <= 21

    async def test_turns_outlive_hosts(self) -> None:
        """A share is of what all hosts do, before and after."""
        async with self.hosts() as (host,):
            await host.store.submit([submission(caller="many") for _ in range(50)])
            await host.claim(20)
        async with self.hosts() as (host,):
            await host.submit(caller="late")
            callers = [each.task.submission.caller for each in await host.claim(3)]
            assert "late" in callers

    async def test_what_comes_back_neither_overtakes_for_ever_nor_starts_anew(self) -> None:
        """A task that was given back goes on where it was: in front, and nobody new gains by it."""
        async with self.hosts() as (host,):
            await host.store.submit([submission(caller="many") for _ in range(200)])
            first, *_ = await host.claim(100)
            assert await host.settle(first, Step.RELEASE)
            await host.store.submit([submission(caller="late") for _ in range(50)])
            claimed = [each.task for each in await host.claim(20)]
            assert first.task.id in [each.id for each in claimed[:3]]
            assert 8 <= [each.submission.caller for each in claimed].count("late") <= 12

    async def test_what_is_run_anew_takes_its_turns(self) -> None:
        """Who has many tasks replayed at once is not before those who wait with one."""
        async with self.hosts() as (host,):
            await host.store.submit([submission(caller="many") for _ in range(20)])
            failed = await host.claim(20)
            for each in failed:
                assert await host.settle(each, Step.FAIL)
            await host.store.submit([submission(caller="one") for _ in range(5)])
            for each in failed:
                await host.store.replay(each.task.id, NOW, 1)
            claimed = [each.task.submission.caller for each in await host.claim(8)]
            assert 3 <= claimed.count("one") <= 5

    async def test_every_task_is_claimed_by_one(self) -> None:
        """However many hosts want them at once."""
        async with self.hosts(4) as hosts:
            ids = {each.id for each in await hosts[0].store.submit([submission() for _ in range(200)])}
            rounds = await asyncio.gather(*(host.claim(9) for _ in range(8) for host in hosts))
            claimed = [each.task.id for batch in rounds for each in batch]
            assert len(claimed) == len(set(claimed))
            assert set(claimed) == ids

    async def test_no_more_run_than_the_limit_on_all_hosts_together(self) -> None:
        """Nor fewer, once some have ended."""
        async with self.hosts(3) as hosts:
            await hosts[0].store.submit([submission() for _ in range(40)])
            await hosts[0].store.submit([submission(function="g") for _ in range(5)])
            rounds = await asyncio.gather(*(host.claim(4, limit=5) for _ in range(4) for host in hosts))
            claimed = [(host, each) for host, batch in zip(hosts * 4, rounds, strict=True) for each in batch]
            assert len(claimed) == 5
            assert len(await hosts[1].claim(9, "g", limit=3)) == 3
            host, first = claimed[0]
            assert await host.settle(first, Step.SUCCEED)
            assert len(await hosts[2].claim(4, limit=5)) == 1
            assert len(await hosts[2].claim(4, limit=0)) == 4

    async def test_several_functions_are_claimed_at_once(self) -> None:
        """Each as far as there is room for it."""
        async with self.hosts() as (host,):
            for function in ("f", "f", "g", "g", "h"):
                await host.submit(function=function)
            claimed = await host.store.claim(host.runner, [Want("f", 1), Want("g", 5), Want("nothing", 3)], NOW)
            assert [each.task.submission.function for each in claimed] == ["f", "g", "g"]

    async def test_only_runners_that_are_known_get_tasks(self) -> None:
        """Who was never enlisted, or was taken for dead, gets none."""
        async with self.hosts(2) as (one, other):
            await one.submit()
            assert await one.store.claim(new_id(), [Want("f", 1)], NOW) == []
            await other.store.reap(one.runner, NOW, b"")
            assert await one.claim() == []
            await one.store.enlist(Runner(one.runner))
            assert len(await one.claim()) == 1

    async def test_what_is_past_its_deadline_never_starts(self) -> None:
        """Even where nobody's tick has come to it yet."""
        async with self.hosts() as (host,):
            late = await host.submit(deadline=NOW + HOUR)
            good = await host.submit(deadline=NOW + 3 * HOUR)
            assert [each.task.id for each in await host.claim(5, now=NOW + HOUR)] == [good]
            assert await host.store.tick(NOW + HOUR) == 0
            assert await host.state(late) is State.TIMED_OUT
            assert (await host.task(late)).finished_at == NOW + HOUR
