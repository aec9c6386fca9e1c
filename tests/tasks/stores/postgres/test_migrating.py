import asyncio
from hashlib import sha256
from pathlib import Path

import pytest

from dragoman.core.call import Codec, Priority
from dragoman.tasks.state import State, Step
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.stores.postgres.driver import Wire, connect
from dragoman.tasks.stores.postgres.migrating import Migration, released
from dragoman.tasks.stores.postgres.migrating import Step as Change
from dragoman.tasks.stores.postgres.options import read
from dragoman.tasks.task import US, Claimed, Keeping, Outcome, Query, Runner, Want
from tests.postgres import Server
from tests.tasks.stores.postgres.conftest import Make, Open, claim, id_of

FIRST = Path(__file__).parent / "first_schema.sql"
"""The first released schema with tasks in it, as `pg_dump` wrote them then. It is never changed."""
NEXT = Change(
    2,
    "ALTER TABLE tasks ADD COLUMN colour text NOT NULL DEFAULT 'grey'; CREATE TABLE colours (name text)",
    "ALTER TABLE tasks DROP COLUMN trace",
)
LAST = Change(3, "CREATE TABLE shapes (name text)")


async def migrate(url: str, *steps: Change) -> Migration:
    """As a host does that knows these steps."""
    migration = Migration(read(url), [*released(), *steps])
    wire = await connect(read(url))
    try:
        await migration.prepare(wire)
    finally:
        await wire.close()
    return migration


async def finish(url: str, migration: Migration) -> None:
    wire = await connect(read(url))
    await migration.finish(wire)
    await wire.close()


async def columns(url: str, server: Server) -> set[str]:
    schema = read(url).schema
    found = (
        f"SELECT column_name FROM information_schema.columns WHERE table_schema = '{schema}' AND table_name = 'tasks'"
    )
    return set(server.sql(found).split())


async def joined(url: str, migration: Migration) -> Wire:
    wire = await connect(read(url))
    await migration.join(wire)
    return wire


async def test_hosts_that_open_an_empty_database_at_once_make_it_once(url: str, opened: Open, make: Make) -> None:
    stores = await asyncio.gather(*(opened(url) for _ in range(5)))
    await stores[0].submit([make()])
    assert await stores[4].get(id_of(1)) is not None


async def test_a_user_who_may_not_make_a_schema_is_told_so(shared_server: Server) -> None:
    shared_server.sql("CREATE ROLE guest LOGIN")
    store = PostgresStore(shared_server.url.replace("postgres@", "guest@") + "?schema=guests")
    with pytest.raises(StoreFailed, match="give the user the schema 'guests'"):
        await store.open()
    await store.close()
    shared_server.sql("CREATE SCHEMA guests AUTHORIZATION guest")
    store = PostgresStore(shared_server.url.replace("postgres@", "guest@") + "?schema=guests")
    await store.open()
    await store.close()


async def test_a_server_that_is_down_is_said_as_the_store_is_opened() -> None:
    store = PostgresStore("postgres://postgres@127.0.0.1:1/postgres")
    with pytest.raises(StoreFailed, match="is the server running"):
        await store.open()
    await store.close()


async def test_tasks_of_the_first_released_schema_run_with_old_and_new_hosts_side_by_side(
    shared_server: Server, opened: Open, make: Make
) -> None:
    url = shared_server.database("upgraded") + "?schema=dragoman"
    shared_server.sql(FIRST.read_text(), "upgraded")
    old, new = await opened(url), await opened(url)
    await migrate(url, NEXT)
    assert {"colour", "trace"} <= await columns_of(shared_server, "upgraded")
    counts = (await new.census()).counts
    assert counts[("old.report", State.PENDING)] == 3
    assert counts[("old.report", State.SUCCEEDED)] == 1
    assert counts[("old.report", State.DEAD)] == 1
    assert await new.reap("dead-runner", 9 * US, b"{}") == 1
    await new.tick(10**18)
    await asyncio.gather(*(host.enlist(Runner(name)) for host, name in ((old, "old"), (new, "new"))))
    await old.submit([make(function="old.report")])
    claimed: list[Claimed] = []
    while True:
        here = await old.claim("old", [Want("old.report", 1)], 10**18)
        there = await new.claim("new", [Want("old.report", 1)], 10**18)
        if not here + there:
            break
        claimed += here + there
        ends = [Outcome(each.task.id, each.token, Step.SUCCEED, 10**18, b"1", Codec.JSON) for each in here + there]
        assert all(await new.settle(ends))
    bodies = {each.task.id: each.task.submission.body for each in claimed}
    assert len(bodies) == len(claimed) == 6
    assert bodies["01a1fed9-3b8c-7000-8000-000000000001"] == b'{"pages": 1}'
    states = {task.state for task in await new.find(Query(function="old.report"))}
    assert states == {State.SUCCEEDED, State.DEAD}
    assert [each.fault for each in await new.attempts(id_of(5))] == [b'{"code": "UNKNOWN"}'] * 2
    assert [note.message for note in await new.notes(id_of(3))] == ["half way"]
    assert await new.last_slot("nightly") == 1_700_000_000_000_000
    assert len(await new.undelivered()) == 1
    assert await new.replay(id_of(5), 10**18, 1) is State.PENDING
    await new.prune(Keeping(age_s=0, count=1), 10**18)


async def columns_of(server: Server, database: str) -> set[str]:
    found = "SELECT column_name FROM information_schema.columns WHERE table_name = 'tasks'"
    return set(server.sql(found, database).split())


async def test_what_takes_away_waits_until_no_older_host_is_there(
    url: str, opened: Open, make: Make, shared_server: Server
) -> None:
    old = await opened(url)
    newer = await migrate(url, NEXT)
    at = await joined(url, newer)
    await finish(url, newer)
    assert {"colour", "trace"} <= await columns(url, shared_server)
    await old.submit([make(trace="00-1")])
    await old.close()
    await finish(url, newer)
    assert "trace" not in await columns(url, shared_server)
    await finish(url, newer)
    await at.close()


async def test_a_host_that_is_too_old_is_refused_and_says_what_to_do(
    url: str, opened: Open, shared_server: Server, make: Make
) -> None:
    await finish(url, await migrate(url, NEXT))
    late = PostgresStore(url)
    with pytest.raises(StoreFailed, match="of version 2, and this host knows 1: upgrade it"):
        await late.open()
    await late.close()


async def test_a_host_that_was_cut_off_while_all_was_changed_is_refused_when_it_is_back(
    url: str, opened: Open, make: Make, shared_server: Server
) -> None:
    old = await opened(url)
    newer = await migrate(url, NEXT)
    cut = (
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'advisory' AND l.mode = 'ShareLock' AND a.application_name = 'dragoman'"
    )
    shared_server.sql(cut)
    async with asyncio.timeout(5):
        while "trace" in await columns(url, shared_server):
            await finish(url, newer)
            shared_server.sql(cut)
    async with asyncio.timeout(5):
        while not old.pool.barred:  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.02)
    with pytest.raises(StoreFailed, match="upgrade it"):
        await old.submit([make()])


async def test_a_step_that_only_adds_bars_nobody(url: str, opened: Open, make: Make) -> None:
    newer = await migrate(url, LAST)
    await finish(url, newer)
    store = await opened(url)
    await store.enlist(Runner("r"))
    await store.submit([make(priority=Priority.BATCH)])
    assert len(await claim(store)) == 1


async def test_a_step_that_fails_leaves_nothing_behind(url: str, shared_server: Server) -> None:
    broken = Change(2, "CREATE TABLE half (x integer); SELECT 1 / 0")
    with pytest.raises(StoreFailed, match="division by zero"):
        await migrate(url, broken)
    assert shared_server.sql(f"SELECT to_regclass('{read(url).schema}.half')") == ""
    await migrate(url, Change(2, "CREATE TABLE half (x integer)"))


def test_released_steps_are_never_changed() -> None:
    sums = {step.number: sha256(f"{step.pre}\n{step.post}".encode()).hexdigest()[:16] for step in released()}
    assert sums == {1: "05135410b43f5b28"}
    assert [step.number for step in released()] == list(range(1, len(released()) + 1))
