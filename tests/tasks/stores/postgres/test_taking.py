import asyncio

import pytest

from dragoman.tasks.state import State
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.stores.postgres.driver import connect
from dragoman.tasks.stores.postgres.taking import Doubt
from tests.tasks.stores.postgres.conftest import Make, claim, id_of, lose_an_answer


async def test_what_a_claim_took_whose_answer_was_lost_is_given_with_the_next(store: PostgresStore, make: Make) -> None:
    await store.submit([make() for _ in range(3)])
    lose_an_answer(store)
    with pytest.raises(StoreFailed) as failed:
        await claim(store, 2)
    assert failed.value.unsure
    assert (await store.census()).counts[("f", State.RUNNING)] == 2
    found = await claim(store, 1)
    assert {each.task.id for each in found} == {id_of(1), id_of(2)}
    assert all(each.token == found[0].token > 0 for each in found)
    assert [each.task.id for each in await claim(store, 5)] == [id_of(3)]


async def test_a_claim_that_comes_to_pass_long_after_is_found_too(store: PostgresStore, make: Make) -> None:
    """The server was stopped with the statement in its hands."""
    await store.submit([make()])
    wire = await connect(store.options)
    async with wire.transaction():
        await wire.execute("SELECT FROM runners FOR UPDATE")
        late = asyncio.create_task(claim(store))
        async with asyncio.timeout(10):
            while not await wire.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - the server's
                await asyncio.sleep(0.01)
        late.cancel()
        await asyncio.wait((late,))
        # Its process waits for the lock, and has not heard that nobody listens any more.
        assert store.claiming.taking.doubts["r"]
    async with asyncio.timeout(10):
        while store.claiming.taking.doubts["r"]:
            found = await claim(store)
            if found:
                break
            await asyncio.sleep(0.02)
    assert (await store.census()).counts == {("f", State.RUNNING): 1}
    await wire.close()


async def test_a_claim_that_never_was_is_forgotten_with_its_process(store: PostgresStore, make: Make) -> None:
    await store.submit([make()])
    store.claiming.taking.doubts["r"] = [Doubt(5, 2**30)]
    assert len(await claim(store)) == 1
    assert store.claiming.taking.doubts["r"] == []


async def test_deliveries_are_not_lost_with_an_answer_either(store: PostgresStore, make: Make) -> None:
    (told,) = await store.submit([make(callback=b"to")])
    await store.cancel(told.id, 5)
    lose_an_answer(store)
    with pytest.raises(StoreFailed):
        await store.deliveries("r", 5, 5)
    (delivery,) = await store.deliveries("r", 5, 5)
    assert (delivery.task.id, delivery.number) == (told.id, 1)
    assert await store.deliveries("r", 5, 5) == []
