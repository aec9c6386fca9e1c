"""Lists of tasks: what was asked for, the newest first, page by page."""

from __future__ import annotations

from dragoman.tasks.state import State
from dragoman.tasks.task import Query, Task
from dragoman.testing.task_store.hosts import NOW, Host, Part, new_id, submission


async def _some(host: Host) -> list[Task]:
    """Tasks of all kinds, the newest first."""
    for function in ("f", "g"):
        for caller in ("", "a", "b"):
            given = [
                submission(function=function, caller=caller, schedule=schedule, parent=parent)
                for schedule, parent in (("", ""), ("nightly", ""), ("", "p"))
            ]
            await host.store.submit(given)
            await host.store.cancel(given[0].id, NOW)
    await host.claim(4)
    return await host.store.find(Query())


class Finding(Part):
    """`find`."""

    async def test_all_tasks_are_listed_the_newest_first(self) -> None:
        """By their ids, as outlines, whatever the order in which they were stored."""
        async with self.hosts() as (host,):
            ids = [new_id() for _ in range(9)]
            for each in (*ids[4:], *ids[:4]):
                await host.submit(id=each, body=b"x" * 3000)
            found = await host.store.find(Query())
            assert [each.id for each in found] == ids[::-1]
            assert {each.submission.body for each in found} == {b""}

    async def test_a_list_holds_what_was_asked_for(self) -> None:
        """All that has all that is given, and nothing else."""
        async with self.hosts(2) as (one, other):
            everything = await _some(one)
            assert len(everything) == 18
            states = [frozenset[State](), frozenset({State.PENDING}), frozenset({State.RUNNING, State.CANCELLED})]
            queries = [
                Query(state, function, caller, schedule, parent)
                for state in states
                for function in ("", "f", "none")
                for caller in ("", "a")
                for schedule in ("", "nightly")
                for parent in ("", "p")
            ]
            for query in queries:
                expected = [each.id for each in everything if _fits(each, query)]
                assert [each.id for each in await other.store.find(query)] == expected, query

    async def test_pages_follow_one_another(self) -> None:
        """Though new tasks come in, and others move on."""
        async with self.hosts() as (host,):
            ids = [each.id for each in await host.store.submit([submission() for _ in range(25)])]
            seen: list[str] = []
            before = ""
            while page := await host.store.find(
                Query(frozenset({State.PENDING, State.CANCELLED}), "f", before=before, limit=4)
            ):
                assert len(page) <= 4
                seen += [each.id for each in page]
                before = seen[-1]
                await host.submit()
                await host.store.cancel(ids[3], NOW)
            assert seen == ids[::-1]
            assert await host.store.find(Query(limit=0)) == []


def _fits(task: Task, query: Query) -> bool:
    given = task.submission
    return (
        (not query.states or task.state in query.states)
        and query.function in ("", given.function)
        and query.caller in ("", given.caller)
        and query.schedule in ("", given.schedule)
        and query.parent in ("", given.parent)
    )
