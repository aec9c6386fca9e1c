from __future__ import annotations

import asyncio

import pytest

from dragoman.core.call import Call, Reply
from dragoman.core.fault import Cancelled, ResourceExhausted, Started
from dragoman.core.service import Pending, Service
from dragoman.policies.rate import Rate, RateOptions, Totals
from dragoman.policies.surroundings import Surroundings
from dragoman.stores.options import StoreOptions
from dragoman.stores.valkey import Valkey
from tests.policies.stock import Stock
from tests.policies.world import Pool, Script, World, aim, call_of, run
from tests.valkey import Server, proxied, until


def called(service: Service, caller: str = "a", name: str = "s.f") -> Pending:
    return run(service, call_by(caller, name))


def call_by(caller: str, name: str = "s.f") -> Call:
    call = call_of(aim(name))
    call.caller = caller
    return call


def passed(service: Service, caller: str = "a", name: str = "s.f") -> bool:
    return called(service, caller, name).fault is None


def answering() -> Script:
    return Script(Reply(b"1"))


def test_calls_past_the_limit_never_reach_the_function() -> None:
    world, inner = World(), answering()
    service = Rate(RateOptions(limit=10.0, burst=3), world.surroundings)(inner)
    assert [passed(service) for _ in range(5)] == [True, True, True, False, False]
    world.clock.advance(0.1)
    assert [passed(service) for _ in range(2)] == [True, False]
    assert len(inner.calls) == 4


def test_a_refusal_says_what_when_and_by_which_setting() -> None:
    world = World()
    rate = Rate(RateOptions(limit=2.0, burst=1), world.surroundings)
    service = rate(answering())
    assert passed(service)
    fault = called(service).fault
    assert type(fault) is ResourceExhausted
    assert fault.started is Started.NO
    assert fault.retry_after_s == pytest.approx(0.5, abs=0.01)
    assert fault.function == "s.f"
    assert fault.detail == "s.f takes no more than 2 calls/s (rate.limit)"
    assert fault.allowance is not None
    assert (fault.allowance.limit, fault.allowance.remaining, fault.allowance.window_s) == (2, 0, 1)
    assert rate.counts == {"refused": 1, "waited": 0}


def test_a_call_that_is_refused_by_one_limit_takes_nothing_from_the_others() -> None:
    world = World()
    rate = Rate(RateOptions(limit=1.0, burst=3, caller_limit=1.0, caller_burst=1), world.surroundings)
    service = rate(answering())
    assert [passed(service, "a") for _ in range(5)] == [True, False, False, False, False]
    assert [passed(service, caller) for caller in "bcd"] == [True, True, False]
    world.clock.advance(1.0)
    assert passed(service, "d"), "it was refused by the function's limit, not by its own"


def test_callers_share_what_they_may_make_of_all_functions() -> None:
    world = World()
    totals = Totals(world.surroundings)
    options = RateOptions(total_limit=1.0, total_burst=2)
    one, two = (Rate(options, world.surroundings, totals)(answering()) for _ in range(2))
    assert [passed(one, "a"), passed(two, "a"), passed(one, "a"), passed(two, "a")] == [True, True, False, False]
    assert passed(two, "b")
    fault = called(one, "a").fault
    assert fault is not None
    assert fault.detail.startswith("one caller may make, of s.f and other functions together, no more than 1 calls/s")


def test_as_many_callers_of_all_functions_are_told_apart_as_one_of_them_wants() -> None:
    world = World()
    totals = Totals(world.surroundings)
    few, many = (
        Rate(RateOptions(total_limit=1.0, total_burst=1, callers_max=most), world.surroundings, totals)(answering())
        for most in (1, 2)
    )
    assert [passed(few, caller) for caller in "aba"] == [True, True, False], "a function that wants fewer forgets none"
    assert [passed(many, caller) for caller in "cba"] == [True, False, True], "a was not seen for longest"


def test_the_total_limit_of_one_function_tells_as_many_callers_apart_as_it_says() -> None:
    service = Rate(RateOptions(total_limit=1.0, total_burst=1, callers_max=1), World().surroundings)(answering())
    assert [passed(service, caller) for caller in "aba"] == [True, True, True]


def test_the_tightest_limit_is_told() -> None:
    world = World()
    rate = Rate(RateOptions(limit=100.0, caller_limit=10.0), world.surroundings)
    service, call = rate(answering()), call_by("a")
    run(service, call)
    assert call.limits is not None
    allowance = call.limits.allowance(call)
    assert (allowance.policy, allowance.limit, allowance.remaining) == ("caller_limit", 10, 9)
    assert allowance.reset_s == pytest.approx(0.1)


def test_a_layer_without_limits_is_not_there() -> None:
    inner = answering()
    assert Rate(RateOptions(), World().surroundings)(inner) is inner


def test_it_goes_on_with_what_it_knows_around_another_service() -> None:
    world = World()
    rate = Rate(RateOptions(limit=1.0), world.surroundings)
    assert passed(rate(answering()))
    assert not passed(rate(answering()))
    assert rate.state() == {"limit": {"per_second": 1.0, "burst": 1, "left": 0}}


def sharing(world: World, stock: Stock, options: RateOptions | None = None) -> Rate:
    return Rate(options or RateOptions(limit=10.0, burst=3, shared=True), world.surroundings, None, stock, "s.f")


async def test_hosts_share_a_limit() -> None:
    world = World()
    stock = Stock(world.now)
    one, two = (sharing(world, stock)(answering()) for _ in range(2))
    calls = [called(one), called(two), called(one), called(two)]
    assert not any(call.done for call in calls)
    await stock.deliver()
    # Of a burst of 3, a host may have one token on lease: 2 at once, over all.
    assert sum(call.reply is not None for call in calls) == 2
    refused = [call.fault for call in calls if call.fault is not None]
    assert all(isinstance(fault, ResourceExhausted) and fault.retry_after_s for fault in refused)


async def test_a_call_with_three_limits_waits_for_each() -> None:
    world = World()
    stock = Stock(world.now)
    options = RateOptions(limit=1.0, caller_limit=1.0, total_limit=1.0, shared=True)
    rate = Rate(options, world.surroundings, Totals(world.surroundings, stock), stock, "s.f")
    service = rate(answering())
    first = called(service)
    for _ in range(3):
        await stock.deliver()
        world.clock.advance(0.001)
    assert first.reply is not None
    second = called(service)
    await stock.deliver()
    assert isinstance(second.fault, ResourceExhausted)
    assert rate.counts["waited"] >= 1


async def test_who_leaves_while_it_waits_gives_its_tokens_back() -> None:
    world, inner = World(), Pool()
    stock = Stock(world.now)
    options = RateOptions(limit=10.0, caller_limit=10.0, caller_burst=1, shared=True)
    service = sharing(world, stock, options)(inner)
    left = called(service)
    await asyncio.sleep(0)
    left.cancel()
    await stock.deliver()
    assert isinstance(left.fault, Cancelled)
    assert left.fault.started is Started.NO
    assert not inner.calls


async def test_who_leaves_while_the_function_runs_cancels_it() -> None:
    world, inner = World(), Pool()
    stock = Stock(world.now)
    pending = called(sharing(world, stock)(inner))
    await stock.deliver()
    assert inner.inside == 1
    pending.cancel()
    assert inner.cancelled == 1
    assert isinstance(pending.fault, Cancelled)


async def test_a_lost_store_fails_nothing() -> None:
    world = World()
    stock = Stock(world.now)
    rate = sharing(world, stock)
    service = rate(answering())
    waiting = [called(service) for _ in range(4)]
    await stock.lose()
    assert [each.fault is None for each in waiting] == [True, True, True, False]
    stock.up = False
    world.clock.advance(1.0)
    assert called(service).done
    assert rate.counts["alone"] == 4
    assert rate.state()["shared"] is False
    stock.up = True
    assert rate.state()["shared"] is True


async def test_a_store_in_trouble_slows_nothing_and_limits_are_kept(server: Server) -> None:
    """Killed connections, a partition, and a full server, under load."""
    async with proxied(server.port) as proxy:
        options = StoreOptions(f"redis://127.0.0.1:{proxy.port}", pause_s=0.01, pause_s_max=0.02, connect_s=0.2)
        store = Valkey(options)
        store.start()
        assert await store.ready(10.0)
        loop = asyncio.get_running_loop()
        rate = Rate(RateOptions(limit=200.0, burst=20, shared=True), Surroundings.here(), None, store, "s.f")
        service = rate(answering())
        let_in, slowest, began = 0, 0.0, loop.time()

        async def load(seconds: float) -> None:
            nonlocal let_in, slowest
            until_s = loop.time() + seconds
            while loop.time() < until_s:
                asked = loop.time()
                try:
                    await called(service)
                    let_in += 1
                except ResourceExhausted:
                    pass
                slowest = max(slowest, loop.time() - asked)
                await asyncio.sleep(0.001)

        await load(0.2)
        proxy.cut()
        await load(0.2)
        proxy.partition()
        await load(0.4)
        assert not store.up
        proxy.heal()
        await until(lambda: store.up)
        server.fill()
        await load(0.2)
        server.empty()
        await load(0.4)
        elapsed = loop.time() - began
        # Each time that it is alone, and each time that it is not any more, a host may find a full bucket.
        assert let_in <= 200 * elapsed + 20 * 7
        assert let_in >= 100
        assert slowest < 0.5
        assert rate.counts["alone"] > 0
        await store.close()
