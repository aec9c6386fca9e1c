import asyncio
from random import Random

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.task import Claimed, Outcome, Runner, Want
from tests.tasks.stores.postgres.conftest import Make, Open, claim, id_of


async def state_of(store: PostgresStore, id_: str) -> State:
    task = await store.get(id_)
    assert task is not None
    return task.state


async def pending(store: PostgresStore, id_: str) -> None:
    async with asyncio.timeout(5):
        while await state_of(store, id_) is not State.PENDING:  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.005)


def suspended(parent: Claimed, *children: str) -> Outcome:
    return Outcome(parent.task.id, parent.token, Step.SUSPEND, 5, waits_for=children)


async def test_a_task_goes_on_when_the_last_it_waits_for_has_ended(store: PostgresStore, make: Make) -> None:
    await store.submit([make(), make(function="child"), make(function="child")])
    (parent,) = await claim(store)
    assert await store.settle([suspended(parent, id_of(2), id_of(3), id_of(3), id_of(99), "no id")]) == [True]
    task = await store.get(parent.task.id)
    assert task is not None
    assert (task.state, task.waits_for, task.attempts) == (State.SCHEDULED, 2, 0)
    assert await store.tick(10**9) == 0
    (first, second) = await claim(store, 2, function="child")
    await store.settle([Outcome(first.task.id, first.token, Step.SUCCEED, 6)])
    await store.settle([Outcome(second.task.id, second.token, Step.FAIL, 7)])
    await pending(store, parent.task.id)
    (again,) = await claim(store, now=8)
    assert (again.task.attempts, again.task.waits_for) == (1, 0)


async def test_a_task_that_waits_for_what_has_ended_goes_on_at_once(store: PostgresStore, make: Make) -> None:
    await store.submit([make(), make(function="child")])
    await store.cancel(id_of(2), 2)
    (parent,) = await claim(store)
    assert await store.settle([suspended(parent, id_of(2), id_of(77))]) == [True]
    assert await state_of(store, parent.task.id) is State.PENDING


async def test_however_a_task_ends_those_who_wait_for_it_go_on(store: PostgresStore, make: Make) -> None:
    await store.enlist(Runner("dying"))
    await store.submit([make() for _ in range(3)])
    await store.submit([make(function="a"), make(function="b", deadline=50), make(function="c")])
    parents = await claim(store, 3)
    children = [id_of(4), id_of(5), id_of(6)]
    await store.settle([suspended(parent, child) for parent, child in zip(parents, children, strict=True)])
    assert len(await store.claim("dying", [Want("c", 1)], 10)) == 1
    await store.cancel(children[0], 20)
    await store.tick(60)
    await store.reap("dying", 70, b"{}")
    for parent in parents:
        await pending(store, parent.task.id)


async def test_no_wake_is_lost_where_ends_and_waits_cross(url: str, opened: Open, make: Make) -> None:
    """Parents come to wait for children that end on another host at the very same time."""
    one, other = await opened(url), await opened(url)
    await one.enlist(Runner("r"))
    random = Random(7)
    for _ in range(25):
        told = await one.submit([make() for _ in range(3)])
        children = await one.submit([make(function="child") for _ in range(4)])
        ids = [each.id for each in children]
        parents, running = await claim(one, 3), await claim(one, 4, function="child")
        ends = [other.settle([Outcome(each.task.id, each.token, Step.SUCCEED, 6)]) for each in running]
        waits = [one.settle([suspended(parent, *random.sample(ids, 3))]) for parent in parents]
        work = [*ends, *waits]
        random.shuffle(work)
        await asyncio.gather(*work)
        for each in told:
            await pending(one, each.id)
        for each in await claim(one, 3):
            await one.settle([Outcome(each.task.id, each.token, Step.SUCCEED, 7)])


async def test_a_wake_that_was_lost_with_its_host_is_made_up_for(url: str, opened: Open, make: Make) -> None:
    one, other = await opened(url), await opened(url)
    await one.enlist(Runner("r"))
    await one.submit([make(), make(function="child")])
    (parent,) = await claim(one)
    (child,) = await claim(one, function="child")
    await one.settle([suspended(parent, child.task.id)])

    async def die(changes: object, awaited: object = None) -> None:
        """Right after the commit."""

    other.waking.follow = die
    await other.settle([Outcome(child.task.id, child.token, Step.SUCCEED, 6)])
    assert await state_of(one, parent.task.id) is State.SCHEDULED
    await one.tick(7)
    assert await state_of(one, parent.task.id) is State.PENDING


async def test_what_one_wait_is_owed_does_not_count_for_the_next(store: PostgresStore, make: Make) -> None:
    await store.submit([make(), make(function="a"), make(function="b")])
    (parent,) = await claim(store)
    await store.settle([suspended(parent, id_of(2))])
    await store.cancel(parent.task.id, 6)
    await store.replay(parent.task.id, 7, 3)
    (parent,) = await claim(store, now=8)
    await store.settle([suspended(parent, id_of(3))])
    await store.cancel(id_of(2), 9)
    await store.waking.lane.close()
    assert await state_of(store, parent.task.id) is State.SCHEDULED
    await store.cancel(id_of(3), 10)
    await pending(store, parent.task.id)
