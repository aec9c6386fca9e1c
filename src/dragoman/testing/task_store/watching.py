"""What running tasks say, and who hears of changes."""

from __future__ import annotations

from dragoman.tasks.state import State, Step
from dragoman.tasks.task import NOTES_MAX, Change, Query, Told
from dragoman.testing.task_store.ending import ended_as
from dragoman.testing.task_store.hosts import HOUR, NOW, Part, submission, until


class Watching(Part):
    """Progress, notes, and `listen`."""

    async def test_what_a_task_says_is_kept(self) -> None:
        """How far it is, and its lines in their order, each at a change of its own."""
        async with self.hosts(2) as (one, other):
            claimed = await one.start()
            lines = (("info", "first"), ("error", "zweite ✓"))
            await one.store.tell([Told(claimed.task.id, claimed.token, NOW + 1, 0.25, "quarter", lines)])
            await one.store.tell([Told(claimed.task.id, claimed.token, NOW + 2, None, "", (("info", "third"),))])
            task = await other.task(claimed.task.id)
            assert (task.progress, task.message) == (0.25, "quarter")
            notes = await other.store.notes(task.id)
            assert [(each.at, each.level, each.message) for each in notes] == [
                (NOW + 1, "info", "first"),
                (NOW + 1, "error", "zweite ✓"),
                (NOW + 2, "info", "third"),
            ]
            seqs = [each.seq for each in notes]
            assert claimed.task.seq < seqs[0] < seqs[1] < seqs[2] <= task.seq
            assert await other.store.notes(task.id, seqs[0]) == notes[1:]
            assert await other.store.notes(task.id, seqs[0], 1) == notes[1:2]
            assert await other.store.notes(task.id, task.seq) == []
            await one.settle(claimed, Step.SUCCEED)
            assert await other.store.notes(task.id) == notes
            await one.store.tell([])

    async def test_only_who_runs_a_task_speaks_for_it(self) -> None:
        """Not with another token, nor once it has ended."""
        async with self.hosts() as (host,):
            claimed = await host.start()
            wrong = Told(claimed.task.id, claimed.token + 1, NOW, 0.5, "wrong", (("info", "wrong"),))
            await host.store.tell([wrong])
            await host.settle(claimed, Step.SUCCEED)
            late = Told(claimed.task.id, claimed.token, NOW, 0.5, "late", (("info", "late"),))
            await host.store.tell([late])
            task = await host.task(claimed.task.id)
            assert (task.progress, task.message) == (0.0, "")
            assert await host.store.notes(task.id) == []

    async def test_who_no_longer_runs_a_task_says_nothing_beside_who_does(self) -> None:
        """Though both speak at once."""
        async with self.hosts() as (host,):
            claimed = await host.start()
            stale = Told(claimed.task.id, claimed.token + 1, NOW, None, "", (("info", "wrong"),) * 3)
            for lines in ((), (("info", "right"),)):
                right = Told(claimed.task.id, claimed.token, NOW, 0.5, "half", lines)
                await host.store.tell([stale, right, stale])
            notes = await host.store.notes(claimed.task.id)
            assert [each.message for each in notes] == ["right"]
            task = await host.task(claimed.task.id)
            assert (task.progress, task.message, task.seq >= notes[-1].seq) == (0.5, "half", True)

    async def test_a_new_attempt_begins_at_nothing(self) -> None:
        """But what the one before has logged stays."""
        async with self.hosts() as (host,):
            claimed = await host.start()
            await host.store.tell([Told(claimed.task.id, claimed.token, NOW, 0.5, "half", (("info", "said"),))])
            await host.settle(claimed, Step.RETRY)
            await host.store.tick(NOW)
            (again,) = await host.claim()
            assert (again.task.progress, again.task.message) == (0.0, "")
            assert (await host.task(claimed.task.id)).progress == 0.0
            assert len(await host.store.notes(claimed.task.id)) == 1

    async def test_the_latest_notes_are_kept(self) -> None:
        """A bounded number of them, whether they come at once or one by one."""
        async with self.hosts() as (host,):
            for size in (NOTES_MAX + 700, 400):
                claimed = await host.start()
                for start in range(0, NOTES_MAX + 700, size):
                    count = min(size, NOTES_MAX + 700 - start)
                    lines = tuple(("info", str(start + position)) for position in range(count))
                    await host.store.tell([Told(claimed.task.id, claimed.token, NOW, lines=lines)])
                notes = await host.store.notes(claimed.task.id, limit=5000)
                assert [each.message for each in notes] == [str(each) for each in range(700, NOTES_MAX + 700)]

    async def test_every_change_is_heard_by_who_makes_it(self) -> None:
        """Each with a number that grows, the last of which is the task's."""
        async with self.hosts() as (host,):
            claimed = await host.start()
            await host.store.tell([Told(claimed.task.id, claimed.token, NOW, 0.5)])
            await host.store.cancel(claimed.task.id, NOW)
            await host.settle(claimed, Step.CANCEL)
            await host.store.replay(claimed.task.id, NOW, 1)
            task = await host.task(claimed.task.id)
            await until(lambda: bool(host.heard) and host.heard[-1].seq == task.seq)
            seqs = [each.seq for each in host.heard]
            assert seqs == sorted(seqs)
            states = [(each.state, each.cancelling) for each in host.heard]
            assert list(dict.fromkeys(states)) == [
                (State.PENDING, False),
                (State.RUNNING, False),
                (State.RUNNING, True),
                (State.CANCELLED, False),
            ]
            assert states[-1] == (State.PENDING, False)
            assert {(each.id, each.function) for each in host.heard} == {(task.id, "f")}

    async def test_what_pauses_no_longer_is_heard_of(self) -> None:
        """As every change is: whoever shows a task shows when it is due."""
        async with self.hosts(2) as (one, other):
            claimed = await one.start()
            assert await one.settle(claimed, Step.RETRY, due_at=NOW + 5)
            await one.store.hurry(NOW - HOUR)
            task = await one.task(claimed.task.id)
            assert task.due_at == NOW - HOUR
            for host in (one, other):
                await until(lambda host=host: _latest(host.heard) == {task.id: task.seq})

    async def test_changes_are_heard_on_other_hosts(self) -> None:
        """Soon, and at last as things are, however many there were at once."""
        async with self.hosts(3) as hosts:
            ids = [each.id for each in await hosts[0].store.submit([submission() for _ in range(1500)])]
            claimed = await hosts[1].claim(700)
            for each in claimed[::100]:
                assert await hosts[1].settle(each, Step.SUCCEED)
            await hosts[2].store.cancel(ids[-1], NOW)
            last = await ended_as(hosts[1], State.FAILED, function="g")
            expected = {each.id: each for host in hosts[:1] for each in await host.store.find(_all())}
            assert expected[last].state is State.FAILED
            for host in hosts:
                await until(lambda host=host: _latest(host.heard) == {i: t.seq for i, t in expected.items()})
                assert {each.id: each.state for each in host.heard} == {i: t.state for i, t in expected.items()}


def _latest(changes: list[Change]) -> dict[str, int]:
    return {each.id: each.seq for each in changes}


def _all() -> Query:
    return Query(limit=10_000)
