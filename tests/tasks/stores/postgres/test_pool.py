import asyncio
from dataclasses import replace
from typing import Any

import pytest

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres.driver import Refused, Wire
from dragoman.tasks.stores.postgres.options import PostgresOptions, read
from dragoman.tasks.stores.postgres.pool import Pool, pause_s
from tests.postgres import Server
from tests.valkey import proxied, until


@pytest.fixture
def options(shared_server: Server) -> PostgresOptions:
    return replace(read(shared_server.url), connections=1, patience_s=0.2)


async def one(wire: Wire) -> Any:
    return await wire.fetchval("SELECT 1")


def opened(options: PostgresOptions) -> Pool:
    pool = Pool(options)
    pool.open()
    return pool


class Holding:
    """Work that keeps its connection until it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, wire: Wire) -> Wire:
        self.begun.set()
        await self.go.wait()
        return wire


async def test_a_connection_is_used_again_and_by_one_at_a_time(options: PostgresOptions) -> None:
    pool = opened(options)
    holding = Holding()
    first = asyncio.create_task(pool.run(holding))
    await holding.begun.wait()
    second = asyncio.create_task(pool.run(one))
    await asyncio.sleep(0)
    holding.go.set()
    await first
    assert await second == 1
    assert pool.size == 1
    await pool.close()
    assert pool.size == 0


async def test_who_waits_too_long_for_a_connection_is_told_so(options: PostgresOptions) -> None:
    pool = opened(options)
    holding = Holding()
    first = asyncio.create_task(pool.run(holding))
    await holding.begun.wait()
    with pytest.raises(StoreFailed, match="all connections are in use") as failed:
        await pool.run(one, writes=True)
    assert not failed.value.unsure
    holding.go.set()
    await first
    assert await pool.run(one) == 1
    await pool.close()


async def test_who_leaves_while_they_wait_takes_no_connection_with_them(options: PostgresOptions) -> None:
    pool = opened(options)
    holding = Holding()
    first = asyncio.create_task(pool.run(holding))
    await holding.begun.wait()
    second = asyncio.create_task(pool.run(one))
    await asyncio.sleep(0.01)
    holding.go.set()
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait((first, second))
    assert await pool.run(one) == 1
    await pool.close()


async def test_who_leaves_leaves_the_room_for_a_connection_to_the_next(options: PostgresOptions) -> None:
    pool = opened(replace(options, patience_s=60.0))
    holding = Holding()
    first = asyncio.create_task(pool.run(holding))
    await holding.begun.wait()
    second, third = (asyncio.create_task(pool.run(one)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait((first,))  # its connection is cut: the second one may make another
    second.cancel()
    async with asyncio.timeout(10):
        assert await third == 1
    await pool.close()


async def test_who_leaves_while_a_connection_is_made_leaves_it_to_the_next(options: PostgresOptions) -> None:
    pool = opened(replace(options, patience_s=60.0))
    connect, connecting = pool.connect, asyncio.Event()

    async def endless() -> Wire:
        connecting.set()
        return await asyncio.get_running_loop().create_future()

    pool.connect = endless
    first = asyncio.create_task(pool.run(one))
    await connecting.wait()
    second = asyncio.create_task(pool.run(one))
    await asyncio.sleep(0)
    pool.connect = connect
    first.cancel()
    async with asyncio.timeout(10):
        assert await second == 1
    await pool.close()


async def test_who_waits_tries_where_another_has_given_up(options: PostgresOptions) -> None:
    pool = opened(replace(options, patience_s=60.0))
    connect, connecting, refused = pool.connect, asyncio.Event(), asyncio.Event()

    async def refusing() -> Wire:
        connecting.set()
        await refused.wait()
        pool.connect = connect
        raise StoreFailed("no room")

    pool.connect = refusing
    first = asyncio.create_task(pool.run(one))
    await connecting.wait()
    second = asyncio.create_task(pool.run(one))
    await asyncio.sleep(0)
    refused.set()
    await until(lambda: pool.size == 0)
    first.cancel()
    async with asyncio.timeout(10):
        assert await second == 1
    await pool.close()


async def test_all_who_wait_are_told_that_it_is_closed(options: PostgresOptions) -> None:
    pool = opened(replace(options, patience_s=60.0))
    holding = Holding()
    first = asyncio.create_task(pool.run(holding))
    await holding.begun.wait()
    waiting = [asyncio.create_task(pool.run(one)) for _ in range(3)]
    await asyncio.sleep(0)
    await pool.close()
    async with asyncio.timeout(10):
        told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in told] == [StoreFailed] * 3
    holding.go.set()
    await first


async def test_what_somebody_leaves_in_the_middle_is_cut(options: PostgresOptions) -> None:
    pool = opened(options)
    left = asyncio.create_task(pool.run(lambda wire: wire.fetch("SELECT pg_sleep(60)")))
    await until(lambda: pool.size == 1)
    await asyncio.sleep(0.05)
    left.cancel()
    await asyncio.wait((left,))
    assert await pool.run(one) == 1
    await pool.close()


async def test_no_answer_in_time_is_a_failure_that_may_have_happened(options: PostgresOptions) -> None:
    pool = opened(replace(options, timeout_s=0.1))
    with pytest.raises(StoreFailed, match=r"no answer within 0\.1s") as failed:
        await pool.run(lambda wire: wire.fetch("SELECT pg_sleep(60)"), writes=True)
    assert failed.value.unsure
    assert await pool.run(one) == 1
    await pool.close()


async def test_what_carries_much_has_more_time(options: PostgresOptions) -> None:
    pool = opened(replace(options, timeout_s=0.1, bytes_per_s=100))
    await pool.run(lambda wire: wire.fetch("SELECT pg_sleep(0.3)"), size=1000)
    await pool.close()


async def test_a_connection_that_is_lost_is_replaced(options: PostgresOptions) -> None:
    pool = opened(options)
    suicide = "SELECT pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(StoreFailed) as failed:
        await pool.run(lambda wire: wire.fetch(suicide), writes=True)
    assert failed.value.unsure
    with pytest.raises(StoreFailed) as failed:
        await pool.run(lambda wire: wire.fetch(suicide))
    assert not failed.value.unsure
    assert await pool.run(one) == 1
    await pool.close()


async def test_what_may_be_repeated_is_where_its_connection_was_lost(options: PostgresOptions) -> None:
    pool = opened(options)
    tries = 0

    async def work(wire: Wire) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            await wire.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
        return tries

    assert await pool.run(work, writes=True, repeats=True) == 2
    await pool.close()


async def test_others_in_the_way_are_met_with_another_try(options: PostgresOptions) -> None:
    pool = opened(options)
    tries = 0

    async def work(wire: Wire) -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            await wire.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")
        return tries

    assert await pool.run(work) == 3
    await pool.close()


async def test_what_is_refused_leaves_the_connection_whole(options: PostgresOptions) -> None:
    pool = opened(options)
    for question, argument in (("SELECT 1 / $1::integer", 0), ("SELECT $1::integer", 2**40), ("SELECT $1::text", "\0")):
        with pytest.raises(Refused):
            await pool.run(lambda wire, q=question, a=argument: wire.fetch(q, a))
    assert await pool.run(one) == 1
    assert pool.size == 1
    await pool.close()


async def test_a_server_that_only_reads_is_left(options: PostgresOptions) -> None:
    pool = opened(replace(options, connections=2))
    await asyncio.gather(pool.run(one), pool.run(one))
    with pytest.raises(StoreFailed, match="connect to the primary") as failed:
        await pool.run(lambda wire: wire.execute("BEGIN READ ONLY; CREATE TABLE nothing (x integer)"), writes=True)
    assert not failed.value.unsure
    assert pool.size == 0
    await pool.close()


async def test_a_server_that_is_not_there_is_waited_for_and_then_it_is_a_failure(doomed: Server) -> None:
    pool = opened(replace(read(doomed.url), patience_s=0.2))
    doomed.kill()
    with pytest.raises(StoreFailed, match="is the server running") as failed:
        await pool.run(one, writes=True)
    assert not failed.value.unsure
    patient = opened(replace(read(doomed.url), patience_s=30.0))
    waiting = asyncio.create_task(patient.run(one))
    await asyncio.sleep(0.1)
    doomed.start()
    assert await waiting == 1
    await patient.close()
    await pool.close()


async def test_a_server_without_room_for_one_more_is_used_by_the_connections_that_there_are(
    shared_server: Server,
) -> None:
    shared_server.sql("CREATE ROLE lonely LOGIN CONNECTION LIMIT 1")
    pool = opened(replace(read(shared_server.url.replace("postgres@", "lonely@")), patience_s=5.0))
    holding = Holding()
    first = asyncio.create_task(pool.run(holding))
    await holding.begun.wait()
    waiting = asyncio.create_task(pool.run(one))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    holding.go.set()
    await first
    assert await waiting == 1
    await pool.close()


async def test_a_server_that_hangs_is_left_by_all_connections_at_once(doomed: Server) -> None:
    pool = opened(replace(read(doomed.url), connections=12))
    await asyncio.gather(*(pool.run(lambda wire: wire.fetch("SELECT pg_sleep(0.2)")) for _ in range(12)))
    assert pool.size > 8
    doomed.stop()
    async with asyncio.timeout(8):  # each takes a second
        await pool.close()
    doomed.go_on()


async def test_a_network_that_swallows_everything_is_a_failure_in_time(shared_server: Server) -> None:
    async with proxied(shared_server.port) as proxy:
        options = replace(
            read(shared_server.url.replace(str(shared_server.port), str(proxy.port))),
            timeout_s=0.3,
            connect_s=0.3,
            patience_s=0.1,
        )
        pool = opened(options)
        assert await pool.run(one) == 1
        proxy.partition()
        with pytest.raises(StoreFailed, match="no answer") as failed:
            await pool.run(one, writes=True)
        assert failed.value.unsure
        with pytest.raises(StoreFailed, match="no connection within") as failed:
            await pool.run(one, writes=True)
        assert not failed.value.unsure
        proxy.heal()
        await asyncio.sleep(0.2)
        assert await pool.run(one) == 1
        await pool.close()


async def test_a_transaction_on_a_network_that_swallows_everything_is_left_in_time(shared_server: Server) -> None:
    async with proxied(shared_server.port) as proxy:
        near = read(shared_server.url.replace(str(shared_server.port), str(proxy.port)))
        pool = opened(replace(near, timeout_s=0.5))
        cut = asyncio.Event()

        async def work(wire: Wire) -> None:
            async with wire.transaction():
                proxy.partition()
                cut.set()
                await wire.fetch("SELECT 1")

        async with asyncio.timeout(10):
            with pytest.raises(StoreFailed, match="no answer") as failed:
                await pool.run(work, writes=True)
            assert failed.value.unsure
            proxy.heal()
            cut.clear()
            asking = asyncio.create_task(pool.run(work))
            await cut.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert pool.size == 0
        proxy.heal()
        await pool.close()


async def test_a_pool_that_is_barred_or_closed_says_why(options: PostgresOptions) -> None:
    pool = opened(options)
    pool.barred = "too old"
    with pytest.raises(StoreFailed, match="too old"):
        await pool.run(one)
    pool.barred = ""
    await pool.close()
    with pytest.raises(StoreFailed, match="closed"):
        await pool.run(one)


def test_pauses_grow_to_the_longest_and_are_never_none(options: PostgresOptions) -> None:
    pauses = [pause_s(options, failures, 1.0) for failures in range(1, 40)]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= options.pause_s_max + options.pause_s
    assert pause_s(options, 1, 0.0) > 0
