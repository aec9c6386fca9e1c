"""What holds whatever happens to the server and on the way to it."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from random import Random

import pytest

from dragoman.core.clock import SystemClock
from dragoman.tasks.identity import Identities
from dragoman.tasks.state import State, Step
from dragoman.tasks.store import Store, StoreFailed
from dragoman.tasks.stores.postgres import PostgresOptions, PostgresStore
from dragoman.tasks.stores.postgres.options import read
from dragoman.tasks.task import Claimed, Keeping, Outcome, Query, Runner, Submission, Told, Want
from dragoman.testing.task_store import TaskStoreSuite
from tests.postgres import Server
from tests.tasks.stores.machine import explore
from tests.tasks.stores.postgres.conftest import Make, Open, claim, id_of
from tests.valkey import Proxy, proxied

_EXPLORED = count(1)
HURRY = {"timeout_s": 0.5, "connect_s": 0.5, "patience_s": 0.2, "look_s": 0.2, "pause_s_max": 0.1}
"""How long a host of these tests waits."""


class Storm:
    """Callers and runners of several hosts, who go on whatever fails, and what became of all that was accepted."""

    def __init__(self, stores: list[PostgresStore], make: Callable[[], Submission]) -> None:
        self._stores = stores
        self._make = make
        self.accepted: set[str] = set()
        self.recorded: Counter[str] = Counter()
        self.failures = 0
        self.calm = asyncio.Event()

    async def run(self, trouble: Callable[[], Awaitable[None]]) -> None:
        """Have trouble while all work, then let them finish."""
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for number, store in enumerate(self._stores):
                for _ in range(4):
                    group.create_task(self._call(store))
                group.create_task(self._runner(store, f"runner {number}"))
            await trouble()
            self.calm.set()

    async def _sure(self, work: Callable[[], Awaitable[object]]) -> object:
        """Ask until there is an answer."""
        while True:
            try:
                return await work()
            except StoreFailed:
                self.failures += 1
                await asyncio.sleep(0.02)

    async def _call(self, store: PostgresStore) -> None:
        while not self.calm.is_set():
            submission = self._make()
            await self._sure(lambda task=submission: store.submit([task]))
            self.accepted.add(submission.id)
            await asyncio.sleep(0.002)

    async def _runner(self, store: PostgresStore, name: str) -> None:
        await self._sure(lambda: store.enlist(Runner(name)))
        idle = 0
        while idle < 3:
            claimed = await self._claim(store, name)
            if not claimed and self.calm.is_set():
                idle += 1
                await self._sure(lambda: store.tick(2**50))
            for each in claimed:
                await self._settle(store, each)

    async def _claim(self, store: PostgresStore, name: str) -> list[Claimed]:
        try:
            return await store.claim(name, [Want("f", 8)], 2**49)
        except StoreFailed as error:
            self.failures += 1
            if error.unsure:
                # What was claimed may be nobody's: it is taken from the runner, who comes again.
                await self._sure(lambda: store.reap(name, 2**49, b"{}"))
                await self._sure(lambda: store.enlist(Runner(name)))
            return []

    async def _settle(self, store: PostgresStore, claimed: Claimed) -> None:
        outcome = Outcome(claimed.task.id, claimed.token, Step.SUCCEED, 2**49, b"1")
        recorded = await self._sure(lambda: store.settle([outcome]))
        self.recorded[claimed.task.id] += recorded == [True]


async def verify(storm: Storm, store: PostgresStore, server: Server) -> None:
    """Every accepted task has one outcome, and none was recorded twice."""
    schema = store.options.schema
    ended = server.sql(f"SELECT id FROM {schema}.tasks WHERE state = 'SUCCEEDED'").split()
    assert storm.accepted <= set(ended)
    assert server.sql(f"SELECT count(*) FROM {schema}.tasks WHERE state <> 'SUCCEEDED'") == "0"
    assert max(storm.recorded.values()) == 1
    assert (await store.census()).counts == {("f", State.SUCCEEDED): len(ended)}


def fresh() -> Callable[[], Submission]:
    """Makes tasks that may be tried as often as it takes."""
    next_id = Identities(SystemClock(), os.urandom)
    return lambda: Submission(next_id(), "f", "1", b"{}", submitted_at=1, attempts_max=1000)


@asynccontextmanager
async def hosts(options: PostgresOptions, count: int = 2) -> AsyncGenerator[list[PostgresStore]]:
    stores = [PostgresStore(replace(options, **HURRY)) for _ in range(count)]
    for store in stores:
        await store.open()
    yield stores
    for store in stores:
        await store.close()


async def test_nothing_is_lost_or_doubled_when_the_server_is_killed_under_load(doomed: Server) -> None:
    async with hosts(read(doomed.url)) as stores:
        storm = Storm(stores, fresh())

        async def trouble() -> None:
            for _ in range(3):
                await asyncio.sleep(0.4)
                await asyncio.to_thread(doomed.kill)
                await asyncio.sleep(0.2)
                await asyncio.to_thread(doomed.start)
            await asyncio.sleep(0.4)

        await storm.run(trouble)
        assert storm.failures > 0
        assert len(storm.accepted) > 50
        await verify(storm, stores[0], doomed)


async def test_nothing_is_lost_or_doubled_when_the_server_hangs_under_load(doomed: Server) -> None:
    async with hosts(read(doomed.url)) as stores:
        storm = Storm(stores, fresh())

        async def trouble() -> None:
            for _ in range(2):
                await asyncio.sleep(0.4)
                doomed.stop()
                await asyncio.sleep(1.0)
                doomed.go_on()
            await asyncio.sleep(0.5)

        await storm.run(trouble)
        assert storm.failures > 0
        await verify(storm, stores[0], doomed)


async def test_nothing_is_lost_or_doubled_when_the_network_fails_under_load(url: str, shared_server: Server) -> None:
    async with proxied(shared_server.port) as proxy:
        near = read(url.replace(str(shared_server.port), str(proxy.port)))
        async with hosts(near) as stores:
            storm = Storm(stores, fresh())
            await storm.run(lambda: outages(proxy))
            assert storm.failures > 0
            await verify(storm, stores[0], shared_server)


async def outages(proxy: Proxy) -> None:
    for _ in range(3):
        await asyncio.sleep(0.3)
        proxy.cut()
        await asyncio.sleep(0.2)
        proxy.partition()
        await asyncio.sleep(0.8)
        proxy.cut()
        proxy.heal()
    await asyncio.sleep(0.3)


async def test_an_operation_in_trouble_fails_in_time_and_the_next_one_works(doomed: Server, make: Make) -> None:
    async with hosts(read(doomed.url), 1) as (store,):
        await store.submit([make()])
        doomed.stop()
        begun_at = asyncio.get_running_loop().time()
        with pytest.raises(StoreFailed) as failed:
            await store.submit([make()])
        assert failed.value.unsure
        with pytest.raises(StoreFailed):
            await store.census()
        assert asyncio.get_running_loop().time() - begun_at < 5
        doomed.go_on()
        async with asyncio.timeout(10):
            while True:
                try:
                    told = await store.submit([make(id=id_of(2))])
                    break
                except StoreFailed:
                    await asyncio.sleep(0.05)
        assert told[0].id == id_of(2)
        assert sum((await store.census()).counts.values()) == 2


async def test_a_disk_that_is_full_refuses_and_says_so(store: PostgresStore, make: Make, shared_server: Server) -> None:
    schema = store.options.schema
    full = f"""
        CREATE FUNCTION {schema}.full() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON {schema}.tasks EXECUTE FUNCTION {schema}.full();
    """
    await store.submit([make()])
    shared_server.sql(full)
    with pytest.raises(StoreFailed, match="No space left on device; free or add disk space") as failed:
        await store.submit([make()])
    assert not failed.value.unsure
    assert len(await claim(store, 5)) == 1
    shared_server.sql(f"DROP TRIGGER full_disk ON {schema}.tasks")
    await store.submit([make()])


async def test_closing_finishes_what_was_asked_for(url: str, opened: Open, make: Make) -> None:
    store = PostgresStore(url)
    await store.open()
    asked = [asyncio.create_task(store.submit([make()])) for _ in range(300)]
    await asyncio.sleep(0)
    await store.close()
    answers = await asyncio.gather(*asked)
    assert all(answer[0].created for answer in answers)
    with pytest.raises(StoreFailed, match="closed"):
        await store.submit([make()])
    other = await opened(url)
    assert (await other.census()).counts == {("f", State.PENDING): 300}


async def test_schemas_of_one_database_know_nothing_of_one_another(
    shared_server: Server, url: str, opened: Open, make: Make
) -> None:
    one, other = await opened(url), await opened(f"{shared_server.url}?schema=apart")
    heard: list[object] = []
    other.listen(heard.extend)
    await one.submit([make()])
    assert await other.find(Query()) == []
    await other.submit([make(function="g")])
    assert len(heard) == 1


async def test_what_is_counted_is_what_there_is_whatever_was_done(store: PostgresStore, shared_server: Server) -> None:
    """Random operations, several at a time, against a count of the rows themselves."""
    random, new, now = Random(11), fresh(), 10
    held: list[Claimed] = []

    async def operation() -> None:
        nonlocal held
        ids = [task.id for task in await store.find(Query(limit=30))]
        choice = random.randrange(9)
        if choice < 2:
            tasks = [
                replace(new(), attempts_max=random.randrange(1, 3), function=random.choice("fgh")) for _ in range(5)
            ]
            delayed = [replace(new(), not_before=now + 5, deadline=now + random.randrange(30)) for _ in range(2)]
            await store.submit(tasks + delayed)
        elif choice == 2:
            held += await store.claim("r", [Want(function, 3, random.choice((0, 4))) for function in "fgh"], now)
        elif choice < 5 and held:
            random.shuffle(held)
            these, held = held[:4], held[4:]
            await store.settle([end(each) for each in these])
        elif choice == 5 and ids:
            await store.cancel(random.choice(ids), now)
        elif choice == 6 and ids:
            await store.replay(random.choice(ids), now, 2)
        elif choice == 7:
            await store.tick(now)
        else:
            await store.prune(Keeping(age_s=0, count=20), now, 5)

    def end(claimed: Claimed) -> Outcome:
        step = random.choice((Step.SUCCEED, Step.FAIL, Step.RETRY, Step.RELEASE, Step.SUSPEND, Step.EXHAUST))
        waits = tuple(each.task.id for each in held[:2]) if step is Step.SUSPEND else ()
        return Outcome(claimed.task.id, claimed.token, step, now, fault=b"{}", due_at=now + 3, waits_for=waits)

    for now in range(10, 90):  # noqa: B007 - what is done in it reads the time
        await asyncio.gather(*(operation() for _ in range(4)))
    await store.reap("r", now, b"{}")
    await store.waking.lane.close()
    counted = {(function, str(state)): n for (function, state), n in (await store.census()).counts.items()}
    rows = shared_server.sql(f"SELECT function, state, count(*) FROM {store.options.schema}.tasks GROUP BY 1, 2")
    real = {(function, state): int(n) for function, state, n in (row.split("|") for row in rows.splitlines())}
    assert counted == real
    assert len(real) > 5


async def test_a_flood_of_what_tasks_say_is_kept_without_stopping_submissions(store: PostgresStore, make: Make) -> None:
    await store.submit([make() for _ in range(20)])
    claimed = await claim(store, 20)
    lines = tuple(("info", "x" * 1000) for _ in range(500))
    flood = [store.tell([Told(each.task.id, each.token, 5, lines=lines)]) for each in claimed]
    async with asyncio.timeout(30):
        await asyncio.gather(*flood, *(store.submit([make()]) for _ in range(50)))
    assert len(await store.notes(claimed[0].task.id)) == 500


class Schemas:
    """Stores over data of their own."""

    def __init__(self, server: Server) -> None:
        self._url = f"{server.url}?schema=explored{next(_EXPLORED)}"

    def make(self) -> Store:
        return PostgresStore(self._url)


def test_any_order_of_operations_does_as_the_model_does(shared_server: Server) -> None:
    explore(lambda: Schemas(shared_server), examples=10)


class TestPostgresStore(TaskStoreSuite):
    @pytest.fixture(autouse=True)
    def keep(self, url: str) -> None:
        self.url = url

    def make(self) -> Store:
        return PostgresStore(self.url)
