from itertools import product

import pytest

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.stores.postgres.driver import connect
from dragoman.tasks.stores.postgres.search import search
from dragoman.tasks.task import Outcome, Query, Submission, Task
from tests.postgres import Server
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


DEAD = frozenset({State.DEAD})
NARROW = [
    Query(function="f"),
    Query(DEAD),
    Query(DEAD, function="f", before=id_of(5)),
    Query(caller="me"),
    Query(DEAD, caller="me"),
    Query(DEAD, "f", "me"),
    Query(schedule="s"),
    Query(DEAD, schedule="s", limit=1),
    Query(parent=id_of(1)),
    Query(DEAD, parent=id_of(1)),
]


@pytest.fixture
async def alike(store: PostgresStore, make: Make, shared_server: Server) -> PostgresStore:
    """Thousands of tasks that have all in common, and were looked at like that."""
    await store.submit([make(caller="me", schedule="s", parent=id_of(1)) for _ in range(5000)])
    claimed = await claim(store, 5000)
    await store.settle([Outcome(each.task.id, each.token, Step.SUCCEED, 2) for each in claimed])
    shared_server.sql(f"VACUUM ANALYZE {store.options.schema}.tasks")
    return store


async def test_no_list_reads_or_sorts_all_there_is(alike: PostgresStore) -> None:
    wire = await connect(alike.options)
    for query in [Query(), Query(before=id_of(5)), *NARROW]:
        text, arguments = search(query)
        plan = [row[0].strip() for row in await wire.fetch(f"EXPLAIN {text}", *arguments)]
        assert not any("Seq Scan on tasks" in line for line in plan)
        # By the ids of all, or of one caller's, what is in another state would be read and left out.
        found = any(line.startswith("Index Cond") and "(state = s.name)" in line for line in plan)
        assert found == (query in NARROW), (query, plan)
    await wire.close()
