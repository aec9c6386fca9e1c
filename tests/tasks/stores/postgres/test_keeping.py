import pytest

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.postgres import PostgresStore, keeping
from dragoman.tasks.task import US, Keeping, Outcome, Told
from tests.postgres import Server
from tests.tasks.stores.postgres.conftest import Make, claim
from tests.valkey import until


async def ended(store: PostgresStore, make: Make, *moments: int) -> list[str]:
    told = [(await store.submit([make()]))[0].id for _ in moments]
    for id_, moment in zip(told, moments, strict=True):
        await store.cancel(id_, moment)
    return told


async def test_what_ended_too_long_ago_goes(store: PostgresStore, make: Make) -> None:
    old, recent = await ended(store, make, 5 * US, 95 * US)
    await store.submit([make()])
    assert await store.prune(Keeping(age_s=10, count=0), 100 * US) == 1
    assert await store.get(old) is None
    assert await store.get(recent) is not None
    assert (await store.census()).counts == {("f", State.PENDING): 1, ("f", State.CANCELLED): 1}


async def test_what_is_more_than_may_be_kept_goes_the_oldest_first(store: PostgresStore, make: Make) -> None:
    ids = await ended(store, make, 30, 10, 20, 40)
    assert await store.prune(Keeping(age_s=0, count=2), 100) == 2
    assert [await store.get(id_) is not None for id_ in ids] == [True, False, False, True]
    assert await store.prune(Keeping(age_s=0, count=0), 100) == 0


async def test_so_many_go_at_a_time(store: PostgresStore, make: Make) -> None:
    await ended(store, make, *range(1, 8))
    assert await store.prune(Keeping(age_s=1e-6, count=1), 100, limit=4) == 4
    assert await store.prune(Keeping(age_s=1e-6, count=1), 100, limit=4) == 3


async def test_all_of_a_task_goes_with_it(store: PostgresStore, make: Make, shared_server: Server) -> None:
    await store.submit([make(attempts_max=2)])
    (first,) = await claim(store)
    await store.tell([Told(first.task.id, first.token, 2, lines=(("info", "x"),))])
    await store.settle([Outcome(first.task.id, first.token, Step.RETRY, 2, fault=b"{}", due_at=3)])
    await store.tick(3)
    (second,) = await claim(store, now=3)
    await store.settle([Outcome(second.task.id, second.token, Step.EXHAUST, 4, fault=b"{}")])
    assert await store.prune(Keeping(age_s=1e-6), 100) == 1
    for table in ("tasks", "attempts", "notes", "tallies", "waits"):
        assert shared_server.sql(f"SELECT count(*) FROM {store.options.schema}.{table}") == "0"


async def test_what_was_counted_is_added_up_every_so_often(
    store: PostgresStore, make: Make, shared_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "ADD_UP_EVERY", 10)
    for _ in range(40):
        await store.submit([make()])
        await claim(store)
    assert (await store.census()).counts == {("f", State.RUNNING): 40}
    count = f"SELECT count(*) FROM {store.options.schema}.tallies"
    await until(lambda: int(shared_server.sql(count)) < 40)


async def test_callers_who_are_done_are_forgotten_and_the_order_holds(
    store: PostgresStore, make: Make, shared_server: Server
) -> None:
    for number in range(30):
        await store.submit([make(caller=str(number)) for _ in range(1 + number % 3)])
    await claim(store, 100)
    await store.submit([make(caller="waits") for _ in range(3)])
    await store.prune(Keeping(), 5)
    flows = f"SELECT string_agg(flow, ',' ORDER BY flow) FROM {store.options.schema}.flows"
    assert "waits" in shared_server.sql(flows).split(",")
    assert len(shared_server.sql(flows).split(",")) < 15
    await store.submit([make(caller="new")])
    assert [each.task.submission.caller for each in await claim(store, 2)] == ["waits", "new"]
