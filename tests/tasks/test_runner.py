from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import TYPE_CHECKING

import pytest

from dragoman.core.call import Reply
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Aborted, NotFound, Started, Unavailable
from dragoman.tasks.options import TaskOptions
from dragoman.tasks.rooms import PAUSE_S_MAX
from dragoman.tasks.state import State, Step
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.task import US, Change, Outcome, Pulse, Query, Runner, Want
from dragoman.tasks.works import Room
from tests.tasks.workshop import QUICK, Full, Like, Workshop, desk, echo, runner_of, running

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.core.call import Call
    from dragoman.tasks.store import Store
    from dragoman.tasks.task import Task


UNSURE = StoreFailed("cut off", unsure=True)


class Slow(Like):
    """A store whose claims wait for its gate to open."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def claim(self, runner: str, wants: list[Want], now: int) -> object:
        self.asked.set()
        await self.gate.wait()
        return await self.store.claim(runner, wants, now)


class Cut(Like):
    """A store whose first claim is done and not told of: in place of what it brought comes an error."""

    def __init__(self, store: Store, error: Exception) -> None:
        super().__init__(store)
        self.error = error
        self.cut = False

    async def claim(self, runner: str, wants: list[Want], now: int) -> object:
        claimed = await self.store.claim(runner, wants, now)
        if claimed and not self.cut:
            self.cut = True
            raise self.error
        return claimed


async def test_a_submission_wakes_an_idle_runner_at_once(tmp_path: Path) -> None:
    waits: list[float] = []

    async def look(call: Call) -> Reply:
        waits.append(time.monotonic() - submitted_at)
        return await echo(call)

    async with desk(tmp_path) as at, running(at, Workshop({"w.f": look})):
        for _ in range(21):
            await asyncio.sleep(0.01)
            submitted_at = time.monotonic()
            (id_,) = await at.submit("w.f")
            await at.over(id_)
    assert median(waits) < 0.05  # far below any interval of polling, far above what it takes


async def test_what_is_there_already_is_run_from_the_start(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        ids = await at.submit("w.f", 20)
        async with running(at, Workshop({"w.f": echo})):
            for id_ in ids:
                assert (await at.over(id_)).state is State.SUCCEEDED


async def test_delayed_tasks_run_when_they_are_due_and_not_before(tmp_path: Path) -> None:
    async with desk(tmp_path) as at, running(at, Workshop({"w.f": echo})):
        now = int(time.time() * US)
        (id_,) = await at.submit("w.f", not_before=now + US // 5)
        first = await at.store.get(id_)
        assert first is not None
        assert first.state is State.SCHEDULED
        task = await at.over(id_)
    assert now + US // 5 <= task.started_at < now + US


async def test_while_calls_come_no_more_become_due_than_may_begin_soon(tmp_path: Path) -> None:
    class Busy(Workshop):
        """Ten thousand calls come each second."""

        def offered(self) -> int:
            return int(time.monotonic() * 10_000)

    async with desk(tmp_path) as at:
        ids = await at.submit("w.f", 2000, not_before=int(time.time() * US) + US // 5)
        async with running(at, Busy({"w.f": echo})):
            # By then the first turns have passed; all turns take several seconds.
            await at.over(ids[59])
            counts = (await at.store.census()).counts
    assert counts["w.f", State.SCHEDULED] > 0


async def test_a_task_that_waits_past_its_deadline_is_timed_out(tmp_path: Path) -> None:
    async with desk(tmp_path) as at, running(at, Workshop({"w.other": echo})) as runner:
        deadline = int(time.time() * US) + US // 5
        (id_,) = await at.submit("w.f", deadline=deadline)
        runner.due(deadline)
        assert (await at.over(id_)).state is State.TIMED_OUT


async def test_functions_that_come_later_are_run_then(tmp_path: Path) -> None:
    works = Workshop({"w.other": echo})
    async with desk(tmp_path) as at, running(at, works) as runner:
        (id_,) = await at.submit("w.f")
        (other,) = await at.submit("w.other")
        await at.over(other)
        works.functions["w.f"] = echo
        runner.renew()
        await at.over(id_)


async def test_a_bound_over_all_hosts_holds_and_is_used_to_the_full(tmp_path: Path) -> None:
    most = now = 0

    async def count(call: Call) -> Reply:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return await echo(call)

    works = [Workshop({"w.f": count}, TaskOptions(concurrency=3), places=4) for _ in range(2)]
    async with desk(tmp_path) as one, desk(tmp_path) as two, running(one, works[0]), running(two, works[1]):
        for id_ in await one.submit("w.f", 60):
            await one.over(id_)
    assert most == 3


async def test_two_runners_of_one_file_run_each_task_once(tmp_path: Path) -> None:
    ran: list[bytes] = []

    async def note(call: Call) -> Reply:
        ran.append(bytes(call.body))  # pyright: ignore[reportArgumentType] - bytes, in these tests
        return await echo(call)

    works = [Workshop({"w.f": note}) for _ in range(2)]
    async with desk(tmp_path) as one, desk(tmp_path) as two, running(one, works[0]), running(two, works[1]):
        for id_ in await one.submit("w.f", 200):
            assert (await one.over(id_)).state is State.SUCCEEDED
    assert sorted(ran, key=int) == [b"%d" % number for number in range(200)]


async def test_what_a_dead_runner_ran_is_run_by_others(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.store.enlist(Runner("dead"))
        (id_,) = await at.submit("w.f")
        await at.store.claim("dead", [Want("w.f", 1)], int(time.time() * US))
        works = Workshop({"w.f": echo})
        async with running(at, works, lease_s=0.3):
            task = await at.over(id_)
        attempts = await at.store.attempts(id_)
    assert (task.state, task.attempts) == (State.SUCCEEDED, 2)
    assert b"gone" in attempts[0].fault
    assert any("is gone" in trouble for trouble in works.troubles)


async def test_a_runner_that_was_taken_for_dead_stops_and_begins_anew_and_records_nothing(tmp_path: Path) -> None:
    stopped, entered = asyncio.Event(), asyncio.Event()
    tries = 0

    async def first_forever(call: Call) -> Reply:
        nonlocal tries
        tries += 1
        if tries > 1:
            return await echo(call)
        try:
            entered.set()
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    works = Workshop({"w.f": first_forever})
    async with desk(tmp_path) as at, running(at, works, lease_s=0.3) as runner:
        (id_,) = await at.submit("w.f")
        await entered.wait()
        before = runner.id
        await at.store.reap(before, int(time.time() * US), b"{}")
        task = await at.over(id_)
        await stopped.wait()
        assert runner.id != before
    assert (task.state, task.attempts, tries) == (State.SUCCEEDED, 2, 2)
    assert any("taken for dead" in trouble for trouble in works.troubles)


async def test_a_runner_that_was_taken_for_dead_begins_anew_whatever_it_could_not_record(tmp_path: Path) -> None:
    class Noted(Full):
        """One that counts the runners that it was told of."""

        def __init__(self, store: Store) -> None:
            super().__init__(store)
            self.enlisted = asyncio.Semaphore(0)

        async def enlist(self, runner: Runner) -> None:
            await self.store.enlist(runner)
            self.enlisted.release()

    class Starting(Workshop):
        """Its functions are not there when they are called first."""

        there = False

        def call(self, task: Task) -> Call:
            if not self.there:
                self.there = True
                raise NotFound("it is still starting")
            return super().call(task)

    async with desk(tmp_path) as at:
        full, works = Noted(at.store), Starting({"w.f": echo})
        async with running(at, works, lease_s=1.0, store=full) as runner:
            await full.enlisted.acquire()
            (id_,) = await at.submit("w.f")
            await full.refused.wait()
            await at.store.reap(runner.id, int(time.time() * US), b"{}")
            async with asyncio.timeout(10):
                await full.enlisted.acquire()
            full.takes = True
            assert (await at.over(id_)).state is State.SUCCEEDED
    assert not any("Error" in trouble for trouble in works.troubles)


async def test_a_cancel_that_came_by_no_word_is_seen_by_the_next_pulse(tmp_path: Path) -> None:
    async def forever(_: Call) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    async with desk(tmp_path) as at:
        runner = runner_of(at.store, Workshop({"w.f": forever}), lease_s=0.3)  # nobody passes changes on to it
        (id_,) = await at.submit("w.f")
        await runner.start()
        await at.in_state(id_, State.RUNNING)
        await at.store.cancel(id_, 1)
        assert (await at.over(id_)).state is State.CANCELLED
        await runner.stop(0)


async def test_a_store_that_fails_for_a_while_costs_no_task(tmp_path: Path) -> None:
    class Failing(Like):
        """A store of which every third operation of a runner fails, before it is done, and others after it."""

        asked = 0

        def __getattr__(self, name: str) -> object:
            real = getattr(self.store, name)
            if name not in {"enlist", "claim", "settle", "tick", "pulse", "beats", "reap", "prune"}:
                return real

            async def perhaps(*given: object) -> object:
                self.asked += 1
                if self.asked % 3 == 0:
                    raise StoreFailed("cut off")
                answer = await real(*given)
                if self.asked % 7 == 0:
                    raise StoreFailed("cut off", unsure=True)
                return answer

            return perhaps

    works = Workshop({"w.f": echo}, QUICK)
    async with desk(tmp_path) as at, running(at, works, lease_s=1.0, store=Failing(at.store)):
        for id_ in await at.submit("w.f", 30, attempts_max=50):
            assert (await at.over(id_)).state is State.SUCCEEDED


async def test_what_a_claim_that_was_cut_off_brought_is_run_once_the_store_is_back(tmp_path: Path) -> None:
    class Strange(Cut):
        """One that then knows no new runner for a while."""

        refusals = 3

        async def enlist(self, runner: Runner) -> None:
            if self.cut and self.refusals:
                self.refusals -= 1
                raise StoreFailed("cut off")
            await self.store.enlist(runner)

    works = Workshop({"w.f": echo}, QUICK)
    async with desk(tmp_path) as at, running(at, works, lease_s=1.0, store=Strange(at.store, UNSURE)):
        for id_ in await at.submit("w.f", 5):
            assert (await at.over(id_)).state is State.SUCCEEDED
    assert [each for each in works.troubles if "claimed" in each] == [
        "tasks cannot be claimed now: cut off",
        "tasks are claimed again",
    ]


async def test_what_a_claim_that_was_cut_off_brought_runs_again_whatever_else_the_store_refuses(tmp_path: Path) -> None:
    class Partly(Cut):
        """One that knows signs of life of the last runner alone."""

        def __init__(self, store: Store) -> None:
            super().__init__(store, UNSURE)
            self.runners: list[str] = []

        async def enlist(self, runner: Runner) -> None:
            await self.store.enlist(runner)
            self.runners.append(runner.id)

        async def pulse(self, runner: str) -> Pulse:
            if runner != self.runners[-1]:
                raise StoreFailed("cut off")
            return await self.store.pulse(runner)

    async with desk(tmp_path) as at:
        partly = Partly(at.store)
        async with running(at, Workshop({"w.f": echo}, QUICK), lease_s=1.0, store=partly) as runner:
            for id_ in await at.submit("w.f", 2):
                assert (await at.over(id_)).attempts == 2
            assert len(partly.runners) == 2
            assert [beat.runner.id for beat in await at.store.beats()] == [runner.id]


async def test_a_claim_that_fails_by_a_mistake_strands_nothing_and_is_made_again(tmp_path: Path) -> None:
    works = Workshop({"w.f": echo}, QUICK)
    async with desk(tmp_path) as at:
        ids = await at.submit("w.f", 2)
        async with running(at, works, lease_s=1.0, store=Cut(at.store, ValueError("what is this?"))):
            for id_ in ids:
                assert (await at.over(id_)).attempts == 2
    assert "tasks cannot be claimed now: ValueError: what is this?" in works.troubles


async def test_a_clock_that_is_put_back_makes_no_task_pause_for_longer(tmp_path: Path) -> None:
    class Moved(SystemClock):
        """A clock that can be put back and forth."""

        def __init__(self) -> None:
            self.by_s = 0.0

        def now(self) -> float:
            return super().now() + self.by_s

    clock, runs = Moved(), 0

    async def flaky(call: Call) -> Reply:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise Unavailable("not yet", started=Started.YES, retry_after_s=0.5)
        return await echo(call)

    works = Workshop({"w.flaky": flaky, "w.f": echo}, QUICK)
    async with desk(tmp_path) as at, running(at, works, lease_s=0.6, clock=clock):
        (pauses,) = await at.submit("w.flaky")
        later = int((clock.now() + 60) * US)
        (delayed,) = await at.submit("w.f", not_before=later)
        await at.in_state(pauses, State.RETRYING)
        clock.by_s = -3600.0
        assert (await at.over(pauses)).state is State.SUCCEEDED
        clock.by_s = 3600.0
        assert (await at.over(delayed)).state is State.SUCCEEDED


async def test_a_poison_task_ends_and_blocks_nobody(tmp_path: Path) -> None:
    async def poison(_: Call) -> Reply:
        raise Aborted("again", started=Started.YES)

    async with desk(tmp_path) as at, running(at, Workshop({"w.bad": poison, "w.good": echo}, places=1)):
        bad = await at.submit("w.bad", 5, attempts_max=3)
        for id_ in await at.submit("w.good", 20):
            assert (await at.over(id_)).state is State.SUCCEEDED
        for id_ in bad:
            assert (await at.over(id_)).state is State.DEAD


async def test_what_ended_long_ago_is_forgotten(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        long_ago = int((time.time() - 30 * 86400) * US)
        await at.store.enlist(Runner("r"))
        (id_,) = await at.submit("w.f")
        (claimed,) = await at.store.claim("r", [Want("w.f", 1)], int(time.time() * US))
        await at.store.settle([Outcome(id_, claimed.token, Step.SUCCEED, long_ago)])
        async with running(at, Workshop({"w.f": echo})), asyncio.timeout(10):
            while await at.store.find(Query()):  # noqa: ASYNC110 - nobody sets an event
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("turns", range(5))
async def test_whatever_is_heard_as_it_stops_a_runner_stops(tmp_path: Path, turns: int) -> None:
    async with desk(tmp_path) as at:
        runner = runner_of(at.store, Workshop({"w.f": echo}))
        at.watching.listeners.append(runner.heard)
        await runner.start()
        (id_,) = await at.submit("w.f", not_before=int(time.time() * US) + US // 20)
        await at.over(id_)
        loops = runner._loops  # pyright: ignore[reportPrivateUsage] - to end them in a certain turn of the loop
        runner.heard([Change(id_, "w.f", State.RETRYING, 1)])
        for _ in range(turns):
            await asyncio.sleep(0)
        for loop in loops:
            loop.cancel()
        _, late = await asyncio.wait(loops, timeout=5)
        assert not late
        await runner.stop(0)


async def test_a_function_that_is_left_alone_for_long_keeps_no_other_waiting_for_room(tmp_path: Path) -> None:
    class Taken(Workshop):
        """All places are taken by other calls, which leave them at some time."""

        looked = asyncio.Event()

        def room(self, group: str) -> Room:
            self.looked.set()
            return super().room(group)

    works = Taken({"w.f": echo, "w.refuses": echo})
    async with desk(tmp_path) as at, running(at, works) as runner:
        await at.over((await at.submit("w.f"))[0])
        rooms = runner._rooms  # pyright: ignore[reportPrivateUsage] - as if it had refused often
        rooms._paused["w.refuses"] = (0.0, PAUSE_S_MAX)  # pyright: ignore[reportPrivateUsage] - as above
        rooms.refused("w.refuses")
        await at.over((await at.submit("w.f"))[0])
        # All that may have something due is left alone now, and the next look is far away.
        works.room_now = Room(2, busy=2)
        rooms.group("w").rests_until, rooms.group("w").run_s = float("inf"), 0.0
        works.looked.clear()
        (id_,) = await at.submit("w.f")
        await works.looked.wait()
        works.room_now = Room(2)
        async with asyncio.timeout(0.8 * PAUSE_S_MAX):
            await at.over(id_)


async def test_what_a_claim_brings_of_a_function_that_is_gone_is_given_back(tmp_path: Path) -> None:
    works = Workshop({"w.f": echo})
    async with desk(tmp_path) as at:
        (id_,) = await at.submit("w.f")
        slow = Slow(at.store)
        async with running(at, works, store=slow) as runner:
            await slow.asked.wait()
            works.functions.clear()
            slow.gate.set()
            given_back = await at.reached(
                id_, lambda task: task.state is State.PENDING and task.due_at > task.submission.submitted_at
            )
            assert given_back.attempts == 0
            works.functions["w.f"] = echo
            runner.renew()
            assert (await at.over(id_)).state is State.SUCCEEDED


async def test_what_a_claim_brings_while_the_host_stops_is_given_back(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        (id_,) = await at.submit("w.f")
        slow = Slow(at.store)
        runner = runner_of(slow, Workshop({"w.f": echo}))
        await runner.start()
        await slow.asked.wait()
        asyncio.get_running_loop().call_later(0.05, slow.gate.set)
        await runner.stop(5)
        task = await at.store.get(id_)
    assert task is not None
    assert (task.state, task.attempts) == (State.PENDING, 0)
