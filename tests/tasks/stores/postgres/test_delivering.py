import asyncio

from dragoman.tasks.state import State
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.task import Delivered, Keeping, Runner
from tests.tasks.stores.postgres.conftest import Make, Open


async def test_a_delivery_is_taken_by_one_until_something_comes_of_it(url: str, opened: Open, make: Make) -> None:
    one, other = await opened(url), await opened(url)
    await one.enlist(Runner("r"))
    await one.enlist(Runner("s"))
    told = await one.submit([make(callback=b"to") for _ in range(10)])
    await asyncio.gather(*(one.cancel(each.id, 5) for each in told))
    assert await one.deliveries("unknown", 10, 5) == []
    taken = await asyncio.gather(one.deliveries("r", 7, 5), other.deliveries("s", 7, 5))
    tasks = [each.task.id for deliveries in taken for each in deliveries]
    assert len(tasks) == len(set(tasks)) == 10
    assert await one.deliveries("r", 10, 5) == []


async def test_deliveries_are_tried_again_given_up_and_tried_anew(store: PostgresStore, make: Make) -> None:
    await store.submit([make(callback=b"to")])
    (task,) = await store.submit([make(callback=b"there")])
    await store.cancel(task.id, 5)
    (delivery,) = await store.deliveries("r", 10, 5)
    assert (delivery.number, delivery.target, delivery.task.state) == (1, b"there", State.CANCELLED)
    await store.delivered([Delivered(delivery.id, delivery.token, due_at=20, fault="500 \x00")])
    await store.delivered([Delivered(delivery.id, delivery.token, done=True)])
    assert await store.deliveries("r", 10, 19) == []
    (again,) = await store.deliveries("r", 10, 20)
    assert (again.number, again.fault) == (2, "500 \x00")
    await store.delivered([Delivered(again.id, again.token, due_at=21, tried=False)])
    (again,) = await store.deliveries("r", 10, 21)
    assert again.number == 2
    await store.delivered([Delivered(again.id, again.token, dead=True, fault="gone")])
    assert [each.fault for each in await store.undelivered()] == ["gone"]
    assert await store.redeliver(again.id, 30)
    assert not await store.redeliver(again.id, 30)
    assert not await store.redeliver("nonsense", 30)
    (anew,) = await store.deliveries("r", 10, 30)
    assert anew.number == 1
    await store.delivered([Delivered(anew.id, anew.token, done=True), Delivered("nonsense", 1, done=True)])
    assert await store.undelivered() == []
    assert await store.deliveries("r", 10, 99) == []


async def test_what_a_dead_runner_was_delivering_is_due_again(store: PostgresStore, make: Make) -> None:
    (task,) = await store.submit([make(callback=b"to")])
    await store.cancel(task.id, 5)
    (delivery,) = await store.deliveries("r", 1, 5)
    await store.reap("r", 6, b"")
    await store.enlist(Runner("s"))
    (again,) = await store.deliveries("s", 1, 6)
    assert again.id == delivery.id
    await store.delivered([Delivered(delivery.id, delivery.token, done=True)])
    await store.delivered([Delivered(again.id, again.token, dead=True)])
    assert len(await store.undelivered()) == 1


async def test_the_latest_that_was_given_up_comes_first(store: PostgresStore, make: Make) -> None:
    for _ in range(3):
        (task,) = await store.submit([make(callback=b"to")])
        await store.cancel(task.id, 5)
    taken = await store.deliveries("r", 10, 5)
    for each in taken:
        await store.delivered([Delivered(each.id, each.token, dead=True)])
    assert [each.id for each in await store.undelivered(2)] == [taken[2].id, taken[1].id]


async def test_a_task_stays_while_somebody_is_to_be_told_of_it(store: PostgresStore, make: Make) -> None:
    (task,) = await store.submit([make(callback=b"to")])
    await store.cancel(task.id, 5)
    assert await store.prune(Keeping(age_s=1e-6), 100) == 0
    (delivery,) = await store.deliveries("r", 1, 6)
    assert await store.prune(Keeping(age_s=1e-6), 100) == 0
    await store.delivered([Delivered(delivery.id, delivery.token, dead=True)])
    assert await store.prune(Keeping(age_s=1e-6), 100) == 1
    assert await store.undelivered() == []
