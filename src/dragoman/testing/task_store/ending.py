"""How attempts and tasks end: once, by the table of states, under the token that holds."""

from __future__ import annotations

from typing import Any

from dragoman.core.call import Codec
from dragoman.tasks.state import ENDS, State, Step
from dragoman.tasks.task import Outcome
from dragoman.testing.task_store.hosts import HOUR, NOW, Host, Part, new_id, submission


async def ended_as(host: Host, state: State, **fields: Any) -> str:
    """A task that has ended so; its id."""
    steps = {
        State.SUCCEEDED: Step.SUCCEED,
        State.FAILED: Step.FAIL,
        State.TIMED_OUT: Step.TIME_OUT,
        State.CANCELLED: Step.CANCEL,
        State.DEAD: Step.EXHAUST,
    }
    claimed = await host.start(**fields)
    assert await host.settle(claimed, steps[state], fault=b"" if state is State.SUCCEEDED else b'{"code": "X"}')
    return claimed.task.id


class Ending(Part):
    """Outcomes, cancels, replays, and tasks that wait for others."""

    async def test_an_attempt_ends_as_its_runner_says(self) -> None:
        """The result or the fault is there, and when it was."""
        async with self.hosts(2) as (one, other):
            for state in ENDS:
                ended = await ended_as(one, state)
                task = await other.task(ended)
                (attempt,) = await other.store.attempts(ended)
                assert (task.state, task.finished_at, attempt.ended_at) == (state, NOW, NOW)
                assert attempt.fault == task.fault == (b"" if state is State.SUCCEEDED else b'{"code": "X"}')

    async def test_only_the_token_that_holds_records_anything(self) -> None:
        """Neither another one, nor the same one twice, nor for a task that is not there."""
        async with self.hosts(2) as (one, other):
            claimed = await one.start()
            wrong = Outcome(claimed.task.id, claimed.token + 1, Step.FAIL, NOW)
            right = Outcome(claimed.task.id, claimed.token, Step.SUCCEED, NOW, b"1", Codec.JSON)
            nobody = Outcome(new_id(), claimed.token, Step.FAIL, NOW)
            assert await other.store.settle([wrong, right, right, nobody]) == [False, True, False, False]
            assert await one.store.settle([right, wrong]) == [False, False]
            task = await one.task(claimed.task.id)
            assert (task.state, task.result) == (State.SUCCEEDED, b"1")
            assert await one.store.settle([]) == []

    async def test_a_retry_waits_for_its_moment(self) -> None:
        """The fault of each attempt stays with it."""
        async with self.hosts() as (host,):
            claimed = await host.start()
            assert await host.settle(claimed, Step.RETRY, fault=b"1", due_at=NOW + HOUR)
            task = await host.task(claimed.task.id)
            assert (task.state, task.due_at, task.attempts, task.fault) == (State.RETRYING, NOW + HOUR, 1, b"1")
            assert await host.claim() == []
            assert await host.store.tick(NOW) == NOW + HOUR
            assert await host.store.tick(NOW + HOUR) == 0
            (again,) = await host.claim(now=NOW + HOUR)
            assert again.task.attempts == 2
            assert again.token != claimed.token
            assert await host.settle(again, Step.EXHAUST, fault=b"2")
            attempts = await host.store.attempts(claimed.task.id)
            assert [(each.number, each.fault) for each in attempts] == [(1, b"1"), (2, b"2")]

    async def test_what_has_succeeded_has_no_fault(self) -> None:
        """That of an earlier attempt stands in the history alone, and not in what is delivered."""
        async with self.hosts() as (host,):
            claimed = await host.start(callback=b"{}")
            assert await host.settle(claimed, Step.RETRY, fault=b"1", due_at=NOW)
            await host.store.tick(NOW)
            (again,) = await host.claim()
            assert again.task.fault == b"1"
            assert [each.fault for each in await host.store.attempts(claimed.task.id)] == [b"1", b""]
            assert await host.settle(again, Step.SUCCEED, result=b"r")
            task = await host.task(claimed.task.id)
            assert (task.state, task.fault) == (State.SUCCEEDED, b"")
            attempts = await host.store.attempts(claimed.task.id)
            assert [(each.number, each.fault) for each in attempts] == [(1, b"1"), (2, b"")]
            (delivery,) = await host.store.deliveries(host.runner, 9, NOW)
            assert delivery.task.fault == b""

    async def test_who_waits_for_whom_is_known(self) -> None:
        """By however many others, and no longer than they wait."""
        async with self.hosts(2) as (one, other):
            first, second, third, last = [await one.start(function=name) for name in "abcd"]
            ids = [each.task.id for each in (first, second, third, last)]
            assert await other.store.awaited([*ids, new_id(), "no id"]) == set()
            for waiter, target in ((first, second), (second, third), (third, last)):
                assert await one.settle(waiter, Step.SUSPEND, waits_for=(target.task.id,))
            assert await other.store.awaited(ids[:1]) == set(ids[1:])
            assert await other.store.awaited([ids[2], ids[1]]) == set(ids[2:])
            assert await other.store.awaited([]) == set()
            await one.store.cancel(ids[1], NOW)
            assert await other.store.awaited(ids[1:2]) == set()
            assert await one.settle(last, Step.SUCCEED)
            assert await other.store.awaited(ids) == set()

    async def test_a_ring_of_tasks_that_wait_is_told_as_it_is(self) -> None:
        """Looking at it ends."""
        async with self.hosts() as (host,):
            first, second = await host.start(function="a"), await host.start(function="b")
            ids = [first.task.id, second.task.id]
            assert await host.settle(first, Step.SUSPEND, waits_for=(ids[1],))
            assert await host.settle(second, Step.SUSPEND, waits_for=(ids[0],))
            assert await host.store.awaited(ids[:1]) == set(ids)

    async def test_time_moves_no_more_than_was_asked_for(self) -> None:
        """What has been due for longest comes first, and the answer says that there is more."""
        async with self.hosts() as (host,):
            due = [await host.submit(not_before=NOW + moment) for moment in (3, 1, 2)]
            assert 0 < await host.store.tick(NOW + HOUR, 2) <= NOW + HOUR
            assert [await host.state(each) for each in due] == [State.SCHEDULED, State.PENDING, State.PENDING]
            assert await host.store.tick(NOW + HOUR, 2) == 0
            assert await host.state(due[0]) is State.PENDING
            late = [await host.submit(deadline=NOW + HOUR - moment) for moment in (1, 3, 2)]
            assert 0 < await host.store.tick(NOW + HOUR, 2) <= NOW + HOUR
            assert [await host.state(each) for each in late] == [State.PENDING, State.TIMED_OUT, State.TIMED_OUT]
            assert await host.store.tick(NOW + HOUR, 2) == 0
            assert await host.state(late[0]) is State.TIMED_OUT

    async def test_what_is_given_back_was_no_attempt(self) -> None:
        """It is there at once, or after a pause."""
        async with self.hosts() as (host,):
            claimed = await host.start()
            assert await host.settle(claimed, Step.RELEASE)
            task = await host.task(claimed.task.id)
            assert (task.state, task.attempts, task.started_at) == (State.PENDING, 0, 0)
            assert await host.store.attempts(claimed.task.id) == []
            (again,) = await host.claim()
            assert not await host.settle(claimed, Step.SUCCEED)
            assert await host.settle(again, Step.RELEASE, due_at=NOW + HOUR)
            assert await host.state(claimed.task.id) is State.PENDING
            assert await host.claim() == []
            assert await host.store.tick(NOW) == NOW + HOUR
            await host.store.tick(NOW + HOUR)
            assert len(await host.claim()) == 1

    async def test_a_task_that_waits_is_cancelled_at_once(self) -> None:
        """Pending, scheduled, retrying or suspended: it never runs."""
        async with self.hosts(2) as (one, other):
            retrying = await one.start()
            await one.settle(retrying, Step.RETRY, due_at=NOW + HOUR)
            child = await one.submit(function="child")
            suspended = await one.start()
            await one.settle(suspended, Step.SUSPEND, waits_for=(child,))
            pending = await one.submit()
            scheduled = await one.submit(not_before=NOW + HOUR)
            for each in (pending, scheduled, retrying.task.id, suspended.task.id):
                assert await other.store.cancel(each, NOW + 1) is State.CANCELLED
                task = await one.task(each)
                assert (task.state, task.finished_at, task.waits_for) == (State.CANCELLED, NOW + 1, 0)
            await one.store.tick(NOW + 2 * HOUR)
            assert await one.claim(9, now=NOW + 2 * HOUR) == []
            assert await one.store.cancel(new_id(), NOW) is None

    async def test_a_task_that_runs_is_told_to_its_runner_to_be_cancelled(self) -> None:
        """By its pulse, whoever asked; what it says then counts."""
        async with self.hosts(2) as (one, other):
            claimed = await one.start()
            assert await other.store.cancel(claimed.task.id, NOW) is State.RUNNING
            assert (await other.task(claimed.task.id)).cancelling
            assert (await one.store.pulse(one.runner)).cancelled == (claimed.task.id,)
            assert (await other.store.pulse(other.runner)).cancelled == ()
            assert await one.settle(claimed, Step.CANCEL)
            task = await one.task(claimed.task.id)
            assert (task.state, task.cancelling) == (State.CANCELLED, False)
            assert (await one.store.pulse(one.runner)).cancelled == ()
            assert await one.store.cancel(claimed.task.id, NOW) is State.CANCELLED

    async def test_what_is_being_cancelled_does_not_run_again(self) -> None:
        """Whether its attempt failed, was given back, or waits; a result that came first stands."""
        async with self.hosts() as (host,):
            for step in (Step.RETRY, Step.RELEASE, Step.SUSPEND):
                claimed = await host.start()
                await host.store.cancel(claimed.task.id, NOW)
                assert await host.settle(claimed, step)
                assert await host.state(claimed.task.id) is State.CANCELLED
            claimed = await host.start()
            await host.store.cancel(claimed.task.id, NOW)
            assert await host.settle(claimed, Step.SUCCEED, result=b"1")
            assert await host.state(claimed.task.id) is State.SUCCEEDED

    async def test_what_ended_without_a_result_runs_anew(self) -> None:
        """With so many attempts more, its history, and a token of its own; what has a result stays."""
        async with self.hosts(2) as (one, other):
            for state in ENDS - {State.SUCCEEDED}:
                ended = await ended_as(one, state, deadline=NOW + 1)
                assert await other.store.replay(ended, NOW + HOUR, 2, NOW + 2 * HOUR) is State.PENDING
                task = await one.task(ended)
                assert (task.state, task.finished_at, task.due_at) == (State.PENDING, 0, NOW + HOUR)
                assert (task.submission.attempts_max, task.submission.deadline) == (3, NOW + 2 * HOUR)
                (claimed,) = await one.claim(now=NOW + HOUR)
                assert claimed.task.attempts == 2
                assert await one.settle(claimed, Step.SUCCEED, result=b"r")
                attempts = await one.store.attempts(ended)
                assert [(each.number, each.fault) for each in attempts] == [(1, b'{"code": "X"}'), (2, b"")]
                assert await one.store.replay(ended, NOW, 2) is State.SUCCEEDED
            waiting = await one.submit()
            assert await one.store.replay(waiting, NOW, 5) is State.PENDING
            assert (await one.task(waiting)).submission.attempts_max == 3
            assert await one.store.replay(new_id(), NOW, 1) is None

    async def test_what_waits_past_its_deadline_times_out(self) -> None:
        """In every state that waits; what runs is for its runner to end."""
        async with self.hosts() as (host,):
            fields = {"deadline": NOW + HOUR}
            retrying = await host.start(**fields)
            await host.settle(retrying, Step.RETRY, due_at=NOW + 2 * HOUR)
            child = await host.submit(function="child")
            suspended = await host.start(**fields)
            await host.settle(suspended, Step.SUSPEND, waits_for=(child,))
            running = await host.start(**fields)
            scheduled = await host.submit(not_before=NOW + 2 * HOUR, **fields)
            pending = await host.submit(**fields)
            assert await host.store.tick(NOW) == NOW + HOUR
            await host.store.tick(NOW + HOUR)
            waiting = (retrying.task.id, suspended.task.id, scheduled, pending)
            assert {await host.state(each) for each in waiting} == {State.TIMED_OUT}
            assert await host.state(running.task.id) is State.RUNNING

    async def test_a_task_goes_on_when_the_last_that_it_waits_for_has_ended(self) -> None:
        """In whatever way those end, on whatever host; it waits without an attempt, and has no worker."""
        async with self.hosts(2) as (one, other):
            parent = await one.start(function="parent")
            children = [await one.submit(function="child") for _ in range(5)]
            over = await ended_as(one, State.FAILED)
            assert await one.settle(parent, Step.SUSPEND, waits_for=(*children, over, new_id(), children[0]))
            task = await one.task(parent.task.id)
            assert (task.state, task.waits_for, task.attempts) == (State.SCHEDULED, 5, 0)
            running = await other.claim(3, "child")
            assert await other.settle(running[0], Step.SUCCEED)
            assert await other.settle(running[1], Step.RETRY)
            await other.store.reap(other.runner, NOW, b"")
            await one.store.tick(NOW)
            for each in children[1:]:
                assert await one.state(parent.task.id) is State.SCHEDULED
                await other.store.cancel(each, NOW)
            task = await other.task(parent.task.id)
            assert (task.state, task.waits_for) == (State.PENDING, 0)
            (again,) = await one.claim(1, "parent")
            assert (again.task.id, again.task.attempts) == (parent.task.id, 1)

    async def test_who_waits_for_nothing_that_is_open_goes_on_at_once(self) -> None:
        """Nor does a task wait for itself."""
        async with self.hosts() as (host,):
            parent = await host.start(function="parent")
            over = await ended_as(host, State.SUCCEEDED)
            assert await host.settle(parent, Step.SUSPEND, waits_for=(over, new_id(), parent.task.id))
            assert await host.state(parent.task.id) is State.PENDING
            assert len(await host.claim(1, "parent")) == 1

    async def test_children_of_the_lost_wake_their_parents(self) -> None:
        """A child ends with its runner, or by its deadline, too."""
        async with self.hosts(2) as (one, other):
            parent = await one.start(function="parent")
            doomed = await one.submit(function="child", attempts_max=1)
            late = await one.submit(function="late", deadline=NOW + 5)
            await other.claim(1, "child")
            assert await one.settle(parent, Step.SUSPEND, waits_for=(doomed, late))
            await one.store.reap(other.runner, NOW, b"gone")
            assert await one.state(doomed) is State.DEAD
            await one.store.tick(NOW + 5)
            assert await one.state(parent.task.id) is State.PENDING

    async def test_operations_on_many_are_answered_in_their_order(self) -> None:
        """Hundreds of outcomes at once."""
        async with self.hosts() as (host,):
            await host.store.submit([submission() for _ in range(700)])
            claimed = await host.claim(700)
            outcomes = [
                Outcome(each.task.id, each.token + position % 2, Step.SUCCEED, NOW, b"%d" % position)
                for position, each in enumerate(claimed)
            ]
            assert await host.store.settle(outcomes) == [position % 2 == 0 for position in range(700)]
            assert (await host.task(claimed[698].task.id)).result == b"698"
