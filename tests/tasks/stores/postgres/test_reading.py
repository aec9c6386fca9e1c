import asyncio

from dragoman.tasks.state import State
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.task import Query
from tests.tasks.stores.postgres.conftest import Make, claim, id_of


async def test_who_asks_for_the_same_task_gets_one_of_their_own(store: PostgresStore, make: Make) -> None:
    await store.submit([make(), make()])
    asked = [id_of(1), id_of(2), id_of(9), "nonsense", id_of(1).upper(), id_of(1)]
    answers = await asyncio.gather(*(store.get(id_) for id_ in asked))
    assert [answer and answer.id for answer in answers] == [id_of(1), id_of(2), None, None, None, id_of(1)]
    assert answers[0] is not answers[5]


async def test_what_nobody_has_is_empty(store: PostgresStore) -> None:
    for id_ in (id_of(1), "nonsense"):
        assert await store.get(id_, whole=True) is None
        assert await store.attempts(id_) == []
        assert await store.notes(id_) == []
    assert await store.find(Query()) == []
    assert await store.last_slot("never") == 0
    census = await store.census()
    assert (census.counts, census.oldest) == ({}, {})


async def test_a_census_says_since_when_the_oldest_waits(store: PostgresStore, make: Make) -> None:
    await store.submit([make(submitted_at=50), make(submitted_at=30), make(function="g", submitted_at=70)])
    await store.submit([make(function="h", submitted_at=10, not_before=99)])
    census = await store.census()
    assert census.oldest == {"f": 30, "g": 70}
    await claim(store, 2)
    census = await store.census()
    assert census.oldest == {"g": 70}
    assert census.counts == {
        ("f", State.RUNNING): 2,
        ("g", State.PENDING): 1,
        ("h", State.SCHEDULED): 1,
    }


async def test_a_schedule_is_fired_once_for_a_moment_by_however_many(store: PostgresStore, make: Make) -> None:
    fired = await asyncio.gather(*(store.fire("nightly", 100, make(schedule="nightly")) for _ in range(5)))
    assert sorted(fired) == [False] * 4 + [True]
    assert not await store.fire("nightly", 99, make())
    assert await store.fire("nightly", 101, None)
    assert await store.last_slot("nightly") == 101
    assert len(await store.find(Query(schedule="nightly"))) == 1
