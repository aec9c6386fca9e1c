from __future__ import annotations

import asyncio

import pytest

from dragoman.stores.lost import StoreLost, StoreRefused
from dragoman.stores.options import StoreOptions
from dragoman.stores.valkey import Valkey
from tests.stores.clients import client
from tests.valkey import Server, outcome, proxied, until


async def test_values_are_kept_for_their_time(store: Valkey, server: Server) -> None:
    assert await store.get("a") is None
    assert await store.set("a", b"1", 60.0) == b"OK"
    assert await store.get("a") == b"1"
    with server.client() as other:
        assert 59_000 < other.pttl("t:a") <= 60_000
        other.delete("t:a")
    assert await store.get("a") is None


async def test_values_are_any_bytes(store: Valkey) -> None:
    value = bytes(range(256)) * 4096
    await store.set("a b\r\n", value, 60.0)
    assert await store.get("a b\r\n") == value


async def test_what_is_asked_together_travels_together_and_is_answered_in_order(store: Valkey) -> None:
    async def one(number: int) -> bytes | None:
        await store.set(f"k{number}", b"%d" % number, 60.0)
        return await store.get(f"k{number}")

    assert await asyncio.gather(*map(one, range(500))) == [b"%d" % number for number in range(500)]


async def test_a_script_that_fails_is_a_refusal(store: Valkey) -> None:
    assert isinstance(await outcome(store.evaluate("return redis.error_reply('no')", [])), StoreRefused)
    assert store.up
    assert store.counts["refused"] >= 1


async def test_a_store_that_was_never_there_fails_at_once_and_is_found_when_it_comes(doomed: Server) -> None:
    doomed.kill()
    async with client(doomed.url) as store:
        assert not await store.ready(0.05)
        assert isinstance(await outcome(store.get("a")), StoreLost)
        assert store.counts["operations"] == 0
        doomed.start()
        assert await store.ready(10.0)
        assert await store.get("a") is None


async def test_a_killed_server_fails_what_is_in_flight_and_is_found_again(doomed: Server) -> None:
    changes: list[bool] = []
    async with client(doomed.url) as store:
        store.on_change = lambda up, why: changes.append(up)
        assert await store.ready(10.0)
        doomed.stop()
        answers = [store.get(f"{number}") for number in range(100)]
        doomed.kill()
        assert all(isinstance(each, StoreLost) for each in await asyncio.gather(*map(outcome, answers)))
        assert not store.up
        doomed.start()
        assert await store.ready(10.0)
        assert await store.set("a", b"1", 1.0) == b"OK"
        assert changes == [True, False, True]


async def test_a_server_that_hangs_costs_no_more_than_the_timeout(doomed: Server) -> None:
    async with client(doomed.url) as store:
        assert await store.ready(10.0)
        doomed.stop()
        clock = asyncio.get_running_loop().time
        began = clock()
        outcomes = await asyncio.gather(*(outcome(store.get(f"{number}")) for number in range(200)))
        assert clock() - began < 1.0  # 55 ms where the machine is not busy
        assert all(isinstance(each, StoreLost) for each in outcomes)
        await until(lambda: not store.up)
        operations = store.counts["operations"]
        assert isinstance(await outcome(store.get("a")), StoreLost)
        assert store.counts["operations"] == operations
        doomed.go_on()
        assert await store.ready(10.0)


async def test_a_slow_operation_alone_does_not_take_the_store_down(doomed: Server) -> None:
    async with client(doomed.url, timeout_s=0.2) as store:
        assert await store.ready(10.0)
        doomed.stop()
        assert isinstance(await outcome(store.get("a")), StoreLost)
        doomed.go_on()
        await until(lambda: store.state()["in_flight"] == 0)
        assert store.up
        assert store.counts["timeouts"] == 1


async def test_a_partition_is_noticed_without_any_traffic(server: Server) -> None:
    async with proxied(server.port) as proxy, client(f"redis://127.0.0.1:{proxy.port}") as store:
        assert await store.ready(10.0)
        proxy.partition()
        await until(lambda: not store.up)
        proxy.heal()
        assert await store.ready(10.0)


async def test_a_server_behind_a_slow_network_stays_down(server: Server) -> None:
    async with proxied(server.port) as proxy, client(f"redis://127.0.0.1:{proxy.port}") as store:
        assert await store.ready(10.0)
        proxy.delay_s = 0.1
        await until(lambda: not store.state()["up"])
        assert not await store.ready(0.5)
        proxy.delay_s = 0.0
        assert await store.ready(10.0)


async def test_after_a_late_answer_it_is_not_worth_asking_until_one_is_in_time(server: Server) -> None:
    async with proxied(server.port) as proxy, client(f"redis://127.0.0.1:{proxy.port}", timeout_s=0.2) as store:
        assert await store.ready(10.0)
        proxy.partition()
        assert isinstance(await outcome(store.get("a")), StoreLost)
        assert not store.up
        assert store.state()["up"], "it is connected yet"
        proxy.heal()
        await until(lambda: store.up)
        assert await store.get("a") is None
        assert store.counts["lost"] == 0


async def test_a_full_server_refuses_and_stays_up(server: Server, store: Valkey) -> None:
    await store.set("old", b"1", 60.0)
    server.fill()
    try:
        assert isinstance(await outcome(store.set("a", b"1", 60.0)), StoreRefused)
        assert store.counts["full"] == 1
        assert store.up
        assert await store.get("old") == b"1"
    finally:
        server.empty()
    assert await store.set("a", b"1", 60.0) == b"OK"


async def test_so_many_operations_are_in_flight_and_no_more(doomed: Server) -> None:
    async with client(doomed.url, in_flight_max=10, timeout_s=5.0) as store:
        assert await store.ready(10.0)
        doomed.stop()
        answers = [store.get("a") for _ in range(11)]
        assert answers[10].done()
        assert not any(answer.done() for answer in answers[:10])
        assert store.counts["crowded"] == 1
        doomed.go_on()
        assert await asyncio.gather(*answers[:10]) == [None] * 10


async def test_so_many_bytes_wait_for_the_network_and_no_more(doomed: Server) -> None:
    async with client(doomed.url, unsent_bytes_max=1_000_000, timeout_s=5.0) as store:
        assert await store.ready(10.0)
        doomed.stop()
        for _ in range(100):
            store.set("a", bytes(500_000), 60.0)
            await asyncio.sleep(0)
        assert store.counts["crowded"] > 50
        doomed.go_on()
        await until(lambda: store.state()["in_flight"] == 0)
        assert await store.get("a") == bytes(500_000)


async def test_a_caller_who_leaves_disturbs_nobody(store: Valkey) -> None:
    await store.set("a", b"1", 60.0)
    first, second, third = store.get("b"), store.get("a"), store.evaluate("return 7", [])
    first.cancel()
    third.cancel()
    assert await second == b"1"
    assert await store.evaluate("return 7", []) == 7
    assert store.state()["in_flight"] == 0


async def test_closing_fails_what_is_in_flight(doomed: Server) -> None:
    async with client(doomed.url, timeout_s=30.0) as store:
        assert await store.ready(10.0)
        doomed.stop()
        answer = store.get("a")
    assert isinstance(await outcome(answer), StoreLost)


async def test_a_wrong_password_keeps_the_store_down_and_is_not_shown(server: Server) -> None:
    with server.client() as other:
        other.execute_command("CONFIG", "SET", "requirepass", "right")
    try:
        async with client(f"redis://:wrong@127.0.0.1:{server.port}") as store:
            await until(lambda: "connected yet" not in str(store.state()["why"]))
            assert not store.up
            assert "wrong" not in str(store.state()["address"])
        async with client(f"redis://:right@127.0.0.1:{server.port}") as store:
            assert await store.ready(10.0)
    finally:
        with server.client("right") as other:
            other.execute_command("CONFIG", "SET", "requirepass", "")


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://127.0.0.1:port", "redis://127.0.0.1?flavour=mild"])
async def test_a_url_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Valkey(StoreOptions(url))
