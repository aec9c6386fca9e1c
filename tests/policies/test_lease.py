from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.policies.bucket import Bucket, Buckets, Measure, Moments
from dragoman.policies.lease import ALONE_S, LEASE_S, SCRIPT, WAITING_MAX, Leases
from dragoman.stores.options import StoreOptions
from dragoman.stores.valkey import Valkey
from tests.policies.stock import Stock, turns
from tests.policies.world import World
from tests.valkey import Server


def leases(world: World, stock: Stock, limit: float = 1000.0, burst: int = 0) -> Leases:
    return Leases(Bucket(Measure("limit", limit, burst)), stock, world.now, "rate:s.f:limit", 100)


async def ask(shared: Leases, world: World, stock: Stock) -> bool:
    """One call: whether it is let through, after the store was asked if need be."""
    if not shared.ready(world.now(), "a") and shared.waits(world.now(), "a"):
        answered: list[int] = []
        assert shared.wait(world.now(), "a", lambda: answered.append(1))
        await stock.deliver()
        assert answered
    if shared.ready(world.now(), "a"):
        shared.take(world.now(), "a")
        return True
    return False


async def test_most_calls_find_a_token_here() -> None:
    world = World()
    stock = Stock(world.now)
    shared = leases(world, stock)
    passed = 0
    for _ in range(2000):
        passed += await ask(shared, world, stock)
        world.clock.advance(0.002)
        await stock.deliver()
    assert passed == 2000
    assert stock.asked < 200
    assert shared.alone == 0


async def test_calls_past_the_limit_are_refused_without_asking_each_time() -> None:
    world = World()
    stock = Stock(world.now)
    shared = leases(world, stock)
    passed = 0
    for _ in range(10_000):  # for two seconds, five times the limit
        passed += await ask(shared, world, stock)
        world.clock.advance(0.0002)
    assert 2500 < passed <= 3000  # of the burst of 1000, a lease's share is kept back
    assert stock.asked < 400
    assert 0 < shared.wait_s(world.now(), "a") < LEASE_S


async def test_calls_that_come_together_wait_for_one_question() -> None:
    world = World()
    stock = Stock(world.now)
    shared = leases(world, stock)
    answered: list[int] = []
    for number in range(50):
        assert shared.waits(world.now(), "a")
        assert shared.wait(world.now(), "a", lambda number=number: answered.append(number))
    await stock.deliver()
    assert answered == list(range(50))
    assert stock.asked == 1


async def test_so_many_wait_and_no_more() -> None:
    world = World()
    stock = Stock(world.now)
    shared = leases(world, stock)
    for _ in range(WAITING_MAX):
        assert shared.wait(world.now(), "a", lambda: None)
    assert not shared.wait(world.now(), "a", lambda: None)
    await stock.deliver()


async def test_what_is_not_used_in_its_time_is_not_used() -> None:
    world = World()
    stock = Stock(world.now)
    shared = leases(world, stock)
    shared.wait(world.now(), "a", lambda: None)
    shared.wait(world.now(), "a", lambda: None)
    await stock.deliver()
    assert shared.ready(world.now(), "a")
    world.clock.advance(LEASE_S * 1.01)
    assert not shared.ready(world.now(), "a")


async def test_without_a_store_a_host_counts_for_itself_and_goes_back_to_it() -> None:
    world = World()
    stock = Stock(world.now)
    shared = leases(world, stock, limit=10.0)
    stock.up = False
    assert [await ask(shared, world, stock) for _ in range(12)] == [True] * 10 + [False] * 2
    assert shared.alone == 10
    assert stock.asked == 0
    assert shared.wait_s(world.now(), "a") == pytest.approx(0.1, abs=0.01)
    stock.up = True
    assert await ask(shared, world, stock)
    assert stock.asked == 1


async def test_a_store_that_fails_is_left_alone_for_a_while() -> None:
    world = World()
    stock = Stock(world.now)
    shared = leases(world, stock, limit=10.0)
    woken: list[int] = []
    shared.wait(world.now(), "a", lambda: woken.append(1))
    await stock.lose()
    assert woken
    assert shared.ready(world.now(), "a")
    assert not shared.waits(world.now(), "a")
    world.clock.advance(ALONE_S)
    assert shared.waits(world.now(), "a")


async def test_callers_have_leases_of_their_own_and_only_so_many_are_told_apart() -> None:
    world = World()
    stock = Stock(world.now)
    shared = Leases(Buckets(Measure("caller_limit", 1.0, 1), Moments(3)), stock, world.now, "rate:s.f:caller_limit", 3)
    for caller in "abcd":
        assert shared.wait(world.now(), caller, lambda: None)
        await stock.deliver()
        assert shared.ready(world.now(), caller)
        shared.take(world.now(), caller)
        assert not shared.ready(world.now(), caller)
    stock.up = False
    world.clock.advance(0.5)
    assert [shared.ready(world.now(), caller) for caller in "abcd"] == [True, False, False, False], "a is forgotten"


async def test_what_is_left_is_told() -> None:
    world = World()
    stock = Stock(world.now)
    shared = leases(world, stock, limit=100.0)
    assert await ask(shared, world, stock)
    assert 85 <= shared.allowance(world.now(), "a").remaining <= 90
    world.clock.advance(10.0)
    assert shared.allowance(world.now(), "a").remaining == 100


class Crowd:
    """Several hosts with one store, driven by chance."""

    def __init__(self, seed: int, hosts: int, limit: float, burst: int) -> None:
        self.world = World()
        self.stock = Stock(self.world.now)
        self.chance = random.Random(seed)
        self.hosts = [leases(self.world, self.stock, limit, burst) for _ in range(hosts)]
        self.limit = limit
        self.passed: list[float] = []

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            host = self.chance.choice(self.hosts)
            for _ in range(self.chance.choice((1, 1, 1, 20))):
                self.call(host)
            self.world.clock.advance(self.chance.expovariate(2 * self.limit))
            if self.chance.random() < 0.7:
                await self.stock.deliver()
        await self.stock.deliver()

    def call(self, host: Leases) -> None:
        now = self.world.now()
        if host.ready(now, ""):
            host.take(now, "")
            self.passed.append(now)
        elif host.waits(now, ""):
            host.wait(now, "", lambda: self.finish(host))

    def finish(self, host: Leases) -> None:
        now = self.world.now()
        if host.ready(now, ""):
            host.take(now, "")
            self.passed.append(now)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**9), st.integers(1, 5), st.sampled_from([1.0, 7.5, 100.0, 2000.0]), st.integers(1, 200))
def test_all_hosts_together_pass_no_more_than_one_bucket_would(seed: int, hosts: int, limit: float, burst: int) -> None:
    async def tried() -> Crowd:
        crowd = Crowd(seed, hosts, limit, burst)
        await crowd.run(300)
        return crowd

    crowd = asyncio.run(tried())
    began, passed = 1000.0, crowd.passed
    for index, moment in enumerate(passed):
        assert index + 1 <= burst + limit * (moment - began) + 0.05
    assert passed


@pytest.fixture
async def store(server: Server) -> Valkey:
    store = Valkey(StoreOptions(server.url, timeout_s=5.0))
    store.start()
    assert await store.ready(10.0)
    return store


async def test_the_script_counts_as_the_stock_of_these_tests_does(server: Server, store: Valkey) -> None:
    wanted = [3, 5, 1, 40, 1]
    clock = World()
    stock = Stock(clock.now)
    slow = (1e9, 10e9)  # a token in a quarter of an hour: the time that the test takes does not matter
    for number in wanted:
        expected = stock.evaluate(SCRIPT, ("k",), (*slow, number))
        await stock.deliver()
        real = await store.evaluate(SCRIPT, ("k",), (*slow, number))
        assert real[:2] == expected.result()[:2]
        assert real[2] == pytest.approx(expected.result()[2], abs=5e6)
    assert 0 < server.client().pttl("dragoman:k") <= 10_000_000
    await store.close()


async def test_a_store_whose_clock_was_set_back_shuts_nobody_out_for_longer(server: Server, store: Valkey) -> None:
    with server.client() as other:
        other.set("dragoman:k", "9e17")
    assert await store.evaluate(SCRIPT, ("k",), (1000.0, 10_000.0, 1)) == [0, 0, 1000]
    with server.client() as other:
        other.set("dragoman:k", "nonsense")
    assert await store.evaluate(SCRIPT, ("k",), (1000.0, 10_000.0, 1)) == [1, 9, 0]
    await store.close()


async def test_three_hosts_share_one_limit(server: Server, store: Valkey) -> None:
    loop = asyncio.get_running_loop()
    hosts = [Leases(Bucket(Measure("limit", 500.0, 100)), store, loop.time, "rate:s.f:limit", 10) for _ in range(3)]
    passed = 0

    def finish(host: Leases) -> None:
        nonlocal passed
        if host.ready(loop.time(), ""):
            host.take(loop.time(), "")
            passed += 1

    began = loop.time()
    while loop.time() < began + 1.0:
        for host in hosts:
            if not host.ready(loop.time(), "") and host.waits(loop.time(), ""):
                host.wait(loop.time(), "", lambda host=host: finish(host))
            else:
                finish(host)
        await asyncio.sleep(0)
    await turns()
    elapsed = loop.time() - began
    assert passed <= 100 + 500 * elapsed
    assert passed >= 0.8 * 500 * elapsed
    assert sum(host.alone for host in hosts) == 0
    await store.close()
