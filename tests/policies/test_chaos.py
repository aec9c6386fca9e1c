import random
from collections import Counter
from typing import Any

import pytest

from dragoman.core.call import Reply
from dragoman.core.fault import Cancelled, Code, DeadlineExceeded, ResourceExhausted, Started, Unavailable
from dragoman.core.ordeal import Ordeal, Trouble
from dragoman.core.service import Pending
from dragoman.policies.chaos import Chaos, ChaosOptions
from tests.policies.world import Pool, World, call_of, run


def troubled(chance: random.Random | None = None, **options: Any) -> tuple[World, Pool, Chaos]:
    world = World(chance.random if chance else lambda: 0.0)
    return world, Pool(), Chaos(ChaosOptions(**options), world.surroundings)


def test_nothing_happens_where_nothing_is_asked_for() -> None:
    _, pool, chaos = troubled()
    call = call_of()
    pending = run(chaos(pool), call)
    assert pending is pool.pendings[0]
    assert call.ordeal is None
    assert chaos.state() == {}


def test_a_call_chosen_for_a_fault_never_runs() -> None:
    _, pool, chaos = troubled(fault=1.0, code=Code.RESOURCE_EXHAUSTED)
    fault = run(chaos(pool), call_of()).fault
    assert isinstance(fault, ResourceExhausted)
    assert fault.started is Started.NO
    assert fault.function == "s.f"
    assert "chaos" in fault.detail
    assert pool.calls == []
    assert chaos.counts["fault"] == 1


def test_the_fault_says_that_the_call_never_ran_whatever_its_code() -> None:
    _, pool, chaos = troubled(fault=1.0)
    fault = run(chaos(pool), call_of()).fault
    assert isinstance(fault, Unavailable)
    assert fault.retryable


def test_a_delayed_call_begins_later_and_gives_its_own_answer() -> None:
    world, pool, chaos = troubled(latency=1.0, latency_s=0.5)
    pending = run(chaos(pool), call_of())
    world.clock.advance(0.4)
    assert pool.calls == []
    world.clock.advance(0.1)
    pool.pendings[0].resolve(Reply(b"7"))
    assert pending.result().body == b"7"
    assert world.clock.timers == 0


def test_a_delayed_call_whose_caller_leaves_never_runs() -> None:
    world, pool, chaos = troubled(latency=1.0)
    pending = run(chaos(pool), call_of())
    pending.cancel()
    assert isinstance(pending.fault, Cancelled)
    assert pending.fault.started is Started.NO
    world.clock.advance(1)
    assert pool.calls == []
    assert world.clock.timers == 0


def test_a_delayed_call_whose_caller_leaves_later_is_stopped() -> None:
    world, pool, chaos = troubled(latency=1.0)
    pending = run(chaos(pool), call_of())
    world.clock.advance(1)
    pending.cancel()
    assert pool.cancelled == 1
    assert isinstance(pending.fault, Cancelled)


def test_a_delay_ends_at_the_deadline() -> None:
    world, pool, chaos = troubled(latency=1.0, latency_s=60.0)
    pending = run(chaos(pool), call_of(deadline=world.now() + 2))
    world.clock.advance(2)
    assert isinstance(pending.fault, DeadlineExceeded)
    assert pending.fault.started is Started.NO
    assert pool.calls == []


@pytest.mark.parametrize("trouble", list(Trouble))
def test_what_is_to_happen_to_its_worker_goes_with_the_call(trouble: Trouble) -> None:
    options: dict[str, Any] = {trouble.value: 1.0, "exhaust_s": 3.0}
    _, pool, chaos = troubled(**options)
    run(chaos(pool), call_of())
    assert pool.calls[0].ordeal == Ordeal(trouble, 3.0)
    assert pool.calls[0].again(9).ordeal is None
    assert chaos.counts[trouble.value] == 1


def test_a_delayed_call_has_its_trouble_after_the_delay() -> None:
    world, pool, chaos = troubled(latency=1.0, kill=1.0)
    run(chaos(pool), call_of())
    world.clock.advance(1)
    assert pool.calls[0].ordeal == Ordeal(Trouble.KILL, 1.0)
    assert (chaos.counts["latency"], chaos.counts["kill"]) == (1, 1)


def outcomes(seed: int, **options: Any) -> list[str]:
    world, pool, chaos = troubled(random.Random(seed), **options)
    service = chaos(pool)
    seen: list[str] = []
    for _ in range(1000):
        before = dict(chaos.counts)
        pending = run(service, call_of())
        seen.append(" ".join(name for name, count in chaos.counts.items() if count > before[name]))
        assert isinstance(pending, Pending)
    world.clock.advance(1)
    return seen


def test_shares_are_kept_and_the_same_chance_gives_the_same_rehearsal() -> None:
    options = {"latency": 0.2, "fault": 0.1, "kill": 0.05}
    first = outcomes(7, **options)
    assert first == outcomes(7, **options)
    assert first != outcomes(8, **options)
    found = Counter(word for words in first for word in words.split())
    assert 150 < found["latency"] < 250
    assert 70 < found["fault"] < 130
    assert 25 < found["kill"] < 75


def test_options_may_be_changed_meanwhile() -> None:
    _, pool, chaos = troubled(fault=1.0)
    service = chaos(pool)
    assert run(service, call_of()).fault
    chaos.options = ChaosOptions()
    assert run(service, call_of()) is pool.pendings[0]
    chaos.options = ChaosOptions(drop=0.5)
    assert chaos.state() == {"drop": 0.5}


@pytest.mark.parametrize("options", [{"fault": 1.1}, {"kill": -0.1}, {"latency_s": -1.0}, {"fault": float("nan")}])
def test_what_is_no_share_or_no_time_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ChaosOptions(**options)
