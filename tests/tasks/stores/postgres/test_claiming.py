import asyncio
from collections import Counter

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.stores.postgres.driver import connect
from dragoman.tasks.stores.postgres.statements import statement
from dragoman.tasks.task import Outcome, Runner, Want
from tests.postgres import Server
from tests.tasks.stores.postgres.conftest import Make, Open, claim, id_of


async def test_hosts_that_race_take_each_task_once(url: str, opened: Open, make: Make) -> None:
    stores = [await opened(url) for _ in range(4)]
    for number, store in enumerate(stores):
        await store.enlist(Runner(str(number)))
    await stores[0].submit([make() for _ in range(500)])
    taken: Counter[str] = Counter()

    async def take(store: PostgresStore, runner: str) -> None:
        while claimed := await store.claim(runner, [Want("f", 7)], 1):
            taken.update(each.task.id for each in claimed)

    await asyncio.gather(*(take(store, str(number)) for number, store in enumerate(stores) for _ in range(2)))
    assert len(taken) == 500
    assert set(taken.values()) == {1}
    assert (await stores[0].census()).counts == {("f", State.RUNNING): 500}


async def test_a_bound_holds_for_all_hosts_together_in_a_race(url: str, opened: Open, make: Make) -> None:
    stores = [await opened(url) for _ in range(3)]
    for number, store in enumerate(stores):
        await store.enlist(Runner(str(number)))
    await stores[0].submit([make() for _ in range(60)])
    first = await asyncio.gather(*(store.claim(str(n), [Want("f", 3, limit=5)], 1) for n, store in enumerate(stores)))
    assert sum(map(len, first)) == 5
    await stores[0].settle([Outcome(each.task.id, each.token, Step.SUCCEED, 2) for all_ in first for each in all_])
    running = most = 0

    async def take(store: PostgresStore, runner: str) -> None:
        nonlocal running, most
        idle = 0
        while idle < 20:
            claimed = await store.claim(runner, [Want("f", 3, limit=5)], 1)
            idle = 0 if claimed else idle + 1
            running += len(claimed)
            most = max(most, running)
            await asyncio.sleep(0.002)
            for each in claimed:
                running -= 1  # before it is settled: what is counted here is never more than what runs
                await store.settle([Outcome(each.task.id, each.token, Step.SUCCEED, 2)])

    await asyncio.gather(*(take(store, str(number)) for number, store in enumerate(stores)))
    assert most <= 5
    assert (await stores[0].census()).counts == {("f", State.SUCCEEDED): 60}


async def test_bounds_of_several_functions_are_kept_apart(store: PostgresStore, make: Make) -> None:
    await store.submit([make(function=function) for function in "ggghhhiii"])
    wants = [Want("g", 5, 2), Want("h", 5, 1), Want("i", 5), Want("j", 5, 1), Want("g", 0)]
    claimed = await store.claim("r", wants, 1)
    assert Counter(each.task.submission.function for each in claimed) == {"g": 2, "h": 1, "i": 3}
    assert await store.claim("r", [Want("g", 5, 2)], 1) == []


async def test_a_claim_has_the_task_whole_and_running(store: PostgresStore, make: Make) -> None:
    submission = make(body=b"[1, 2]", caller="me")
    await store.submit([submission])
    (claimed,) = await claim(store, now=7)
    assert claimed.task.submission == submission
    assert (claimed.task.state, claimed.task.attempts, claimed.task.started_at) == (State.RUNNING, 1, 7)
    assert await store.get(id_of(1), whole=True) == claimed.task


async def test_a_claim_reads_no_more_than_it_takes_whatever_the_statistics_say(
    store: PostgresStore, make: Make, shared_server: Server
) -> None:
    for _ in range(2):
        # Looked at while nothing waited, and then while much did: plans by that would sort, or read, all of it.
        await store.submit([make() for _ in range(2000)])
        await claim(store, 2000)
        shared_server.sql(f"ANALYZE {store.options.schema}.tasks")
    await store.submit([make() for _ in range(2000)])
    shared_server.sql(f"ANALYZE {store.options.schema}.tasks")
    wire = await connect(store.options)
    await wire.execute(f"PREPARE claim (text, text[], bigint[], bigint[], bigint, bigint) AS {statement('claim')}")
    asked = "EXPLAIN EXECUTE claim ('r', ARRAY['f'], ARRAY[10], ARRAY[0], 1, 1)"
    plan = "\n".join(row[0] for row in await wire.fetch(asked))
    await wire.close()
    assert "Index Scan using tasks_ready" in plan
    assert "Index Scan using tasks_pkey" in plan
    assert "Hash Join" not in plan
    assert plan.count("Sort") <= 2  # of what was taken
