from itertools import product

import pytest

from dragoman.tasks.state import State
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.stores.postgres.driver import connect
from dragoman.tasks.stores.postgres.search import search
from dragoman.tasks.task import Query, Submission, Task
from tests.tasks.stores.postgres.conftest import Make, claim, id_of

LONG = "caller" * 100
FUNCTIONS, CALLERS, SCHEDULES, PARENTS = ("", "f", "g", "none"), ("", "me", LONG), ("", "nightly"), ("", id_of(1))
STATES = (frozenset[State](), frozenset({State.CANCELLED}), frozenset({State.PENDING, State.RUNNING, State.DEAD}))
BEFORE = ("", id_of(14))


def matches(task: Task, query: Query) -> bool:
    submission: Submission = task.submission
    return (
        (not query.states or task.state in query.states)
        and query.function in ("", submission.function)
        and query.caller in ("", submission.caller)
        and query.schedule in ("", submission.schedule)
        and query.parent in ("", submission.parent)
        and (not query.before or task.id < query.before)
    )


async def test_every_query_finds_what_matches_the_newest_first(store: PostgresStore, make: Make) -> None:
    for number in range(24):
        await store.submit(
            [
                make(
                    function="fg"[number % 2],
                    caller=("", "me", LONG, LONG + "x")[number % 4],
                    schedule="nightly" if number % 3 else "",
                    parent=id_of(1) if number % 5 else "",
                )
            ]
        )
    await claim(store, 3)
    for number in range(1, 25, 4):
        await store.cancel(id_of(number), 5)
    everything = await store.find(Query(limit=1000))
    assert [task.id for task in everything] == [id_of(number) for number in range(24, 0, -1)]
    for states, function, caller, schedule, parent, before in product(
        STATES, FUNCTIONS, CALLERS, SCHEDULES, PARENTS, BEFORE
    ):
        query = Query(states, function, caller, schedule, parent, before, 3)
        found = await store.find(query)
        assert found == [task for task in everything if matches(task, query)][:3], query


async def test_a_query_that_can_find_nothing_finds_nothing(store: PostgresStore, make: Make) -> None:
    await store.submit([make()])
    assert await store.find(Query(limit=0)) == []
    assert await store.find(Query(before="nonsense")) == []
    assert await store.find(Query(caller="\x00")) == []


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(function="f"),
        Query(states=frozenset({State.DEAD})),
        Query(states=frozenset({State.DEAD}), function="f", before=id_of(5)),
        Query(caller="me"),
        Query(schedule="s"),
        Query(parent=id_of(1)),
    ],
)
async def test_no_list_reads_or_sorts_all_there_is(store: PostgresStore, query: Query) -> None:
    wire = await connect(store.options)
    text, arguments = search(query)
    plan = "\n".join(row[0] for row in await wire.fetch(f"EXPLAIN {text}", *arguments))
    await wire.close()
    assert "Seq Scan on tasks" not in plan
    assert "Index" in plan
