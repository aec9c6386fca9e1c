import asyncio
import random
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.core.call import Call, Codec, Reply, Ties
from dragoman.core.fault import (
    Aborted,
    Cancelled,
    Code,
    Draining,
    Fault,
    Internal,
    InvalidArgument,
    Overloaded,
    Started,
    Unavailable,
    WorkerLost,
)
from dragoman.core.service import Pending, Service
from dragoman.policies.retry import PAUSE_S_MAX, Retry, RetryOptions
from tests.policies.world import Items, Pool, Script, World, aim, call_of, run

REPLY = Reply(b"1")


def down() -> Fault:
    return Unavailable("nobody is there", started=Started.NO)


def lost() -> Fault:
    return WorkerLost("it died in mid-call", started=Started.YES)


def told(seconds: float) -> Callable[[], Fault]:
    return lambda: Overloaded("full", retry_after_s=seconds)


def make(world: World, **options: object) -> Retry:
    return Retry(RetryOptions(**options), world.surroundings)  # pyright: ignore[reportArgumentType] - by name


def test_a_call_that_never_began_is_tried_again_under_another_id() -> None:
    world, service = World(), Script(down, down, REPLY)
    retry = make(world)
    pending = run(retry(service), call_of())
    assert len(service.calls) == 1
    world.clock.advance(0.05)
    assert len(service.calls) == 2
    world.clock.advance(0.1)
    assert pending.result() is REPLY
    assert len({call.id for call in service.calls}) == 3
    assert retry.counts["retried"] == 2
    assert retry.waiting == world.clock.timers == 0


def test_after_so_many_attempts_the_last_fault_stands() -> None:
    world, service = World(), Script(down, lambda: Aborted("2", started=Started.NO), lambda: Overloaded("3"))
    retry = make(world)
    pending = run(retry(service), call_of())
    world.clock.advance(10)
    assert len(service.calls) == 3
    assert type(pending.fault) is Overloaded
    assert (retry.counts["retried"], retry.counts["exhausted"]) == (2, 1)


@pytest.mark.parametrize(
    ("fault", "idempotent", "again"),
    [
        (down, False, True),
        (lambda: Unavailable("?"), False, False),
        (lambda: Unavailable("?"), True, True),
        (lost, False, False),
        (lost, True, True),
        (lambda: Overloaded("full"), False, True),
        (lambda: Internal("oops", started=Started.YES), True, False),
        (lambda: Internal("oops", started=Started.NO), False, False),
        (lambda: InvalidArgument("no"), True, False),
        (lambda: Cancelled("gone", started=Started.NO), True, False),
        (lambda: Draining("stopping"), False, True),
    ],
)
def test_what_is_tried_again(fault: Callable[[], Fault], idempotent: bool, again: bool) -> None:  # noqa: FBT001 - cases
    world, service = World(), Script(fault, REPLY)
    run(make(world)(service), call_of(aim(idempotent=idempotent)))
    world.clock.advance(10)
    assert len(service.calls) == 1 + again


def test_codes_are_the_users_to_choose() -> None:
    world = World()
    for fault, idempotent, calls in ((Internal, True, 2), (Internal, False, 1), (Unavailable, True, 1)):
        service = Script(lambda kind=fault: kind("no", started=Started.YES), REPLY)
        run(make(world, on=frozenset({Code.INTERNAL}))(service), call_of(aim(idempotent=idempotent)))
        world.clock.advance(10)
        assert len(service.calls) == calls


def test_one_attempt_is_no_retry() -> None:
    service = Script(down)
    assert make(World(), attempts=1)(service) is service


@pytest.mark.parametrize(("chance", "pauses"), [(1.0, [0.1, 0.2, 0.3, 0.3]), (0.5, [0.05, 0.1, 0.15, 0.15])])
def test_pauses_double_up_to_their_bound_with_full_jitter(chance: float, pauses: list[float]) -> None:
    world, began = World(lambda: chance), list[float]()

    def serve(call: Call) -> Pending:
        began.append(world.now())
        return Pending.failed(down())

    run(make(world, attempts=5, base_s=0.1, max_s=0.3)(serve), call_of())
    world.clock.advance(10)
    assert [later - earlier for earlier, later in pairwise(began)] == pytest.approx(pauses)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_no_number_of_tries_makes_a_pause_longer_than_its_bound(tries: int, chance: float) -> None:
    retry = make(World(lambda: chance), attempts=100_000, max_s=2.0)
    pause_s = retry.pause(down(), call_of(), tries)
    assert pause_s is not None
    assert 0 <= pause_s <= 2.0


def test_a_fault_that_says_when_is_heeded() -> None:
    world, service = World(lambda: 0.5), Script(told(3.0), REPLY)
    pending = run(make(world, base_s=0.2)(service), call_of())
    world.clock.advance(3.0)
    assert len(service.calls) == 1
    world.clock.advance(0.11)
    assert pending.result() is REPLY


@pytest.mark.parametrize("seconds", [-5.0, float("nan")])
def test_a_fault_that_says_nonsense_is_tried_again_all_the_same(seconds: float) -> None:
    world, service = World(), Script(told(seconds), REPLY)
    run(make(world)(service), call_of())
    world.clock.advance(1)
    assert len(service.calls) == 2


def test_what_would_come_too_late_fails_now_with_the_fault_as_it_is() -> None:
    world, service = World(), Script(told(3.0))
    retry = make(world)
    pending = run(retry(service), call_of(deadline=world.now() + 3.0))
    assert type(pending.fault) is Overloaded
    assert pending.fault.retry_after_s == 3.0
    assert retry.counts["no_time"] == 1
    assert world.clock.timers == 0
    at_once = make(World(lambda: 0.0))
    assert not run(at_once(Script(told(3.0))), call_of(deadline=world.now() + 3.0)).held
    assert run(at_once(Script(told(3.0))), call_of(deadline=world.now() + 3.01)).held
    assert type(run(retry(Script(told(PAUSE_S_MAX))), call_of()).fault) is Overloaded
    assert type(run(retry(Script(told(float("inf")))), call_of()).fault) is Overloaded


def test_a_timer_that_rings_late_begins_nothing_past_the_deadline() -> None:
    world, service = World(), Script(down)
    late: list[Callable[[], object]] = []

    class LateTimer:
        def cancel(self) -> None: ...

    def call_later(delay: float, callback: Callable[..., object], /, *args: object) -> LateTimer:
        late.append(callback)
        return LateTimer()

    object.__setattr__(world.surroundings, "call_later", call_later)
    pending = run(make(world)(service), call_of(deadline=world.now() + 1))
    world.clock.advance(2)
    late[0]()
    assert isinstance(pending.fault, Unavailable)
    assert len(service.calls) == 1


def test_retries_are_a_share_of_the_calls() -> None:
    world = World()
    retry = make(world, budget=0.1)
    service = Script(down)
    for _ in range(1000):
        run(retry(service), call_of())
        world.clock.advance(0.2)
    assert 1100 <= len(service.calls) <= 1000 * 1.1 + 200 * 0.1
    assert retry.counts["budget_empty"]


def test_a_caller_that_leaves_during_the_wait_ends_it() -> None:
    world, service = World(), Script(lambda: Overloaded("full", started=Started.NO), REPLY)
    retry = make(world)
    pending = run(retry(service), call_of())
    assert retry.state()["waiting"] == 1
    pending.cancel()
    assert isinstance(pending.fault, Cancelled)
    assert pending.fault.started is Started.NO
    assert world.clock.timers == retry.waiting == 0
    world.clock.advance(10)
    assert len(service.calls) == 1


def test_a_caller_that_leaves_during_another_attempt_stops_that() -> None:
    world, pool = World(), Pool()
    retry = make(world)
    pending = run(retry(pool), call_of())
    pool.pendings[0].fail(down())
    world.clock.advance(1)
    pending.cancel()
    assert pool.cancelled == 1
    assert isinstance(pending.fault, Cancelled)
    assert pool.inside == world.clock.timers == 0


@pytest.mark.parametrize("attempts", [0, 1])
def test_what_fails_because_its_caller_left_is_not_tried_again(attempts: int) -> None:
    world, pool = World(), Pool()
    pending = run(make(world)(pool), call_of(aim(idempotent=True)))
    for _ in range(attempts):
        pool.pendings[-1].fail(down())
        world.clock.advance(1)
    running = pool.pendings[-1]
    running.on_cancel = lambda: running.fail(lost())
    pending.cancel()
    world.clock.advance(10)
    assert isinstance(pending.fault, WorkerLost)
    assert len(pool.calls) == 1 + attempts


def test_a_call_whose_input_streams_in_has_one_attempt() -> None:
    class Nothing:
        async def __aiter__(self) -> AsyncIterator[tuple[Codec, bytes]]:
            for each in ():
                yield each

    world, service, call = World(), Script(down), call_of()
    call.input = Nothing()
    pending = run(make(world)(service), call)
    assert pending.fault is not None
    assert world.clock.timers == 0


async def test_a_stream_that_has_begun_is_left_alone() -> None:
    world, items = World(), Items(1, lost())
    service = Script(Reply(b"", items=items))
    reply = await run(make(world)(service), call_of(aim(idempotent=True, streaming=True)))
    assert reply.items is items
    with pytest.raises(WorkerLost):
        assert [item async for item in items] == [b"1"]
    assert len(service.calls) == 1


async def test_services_that_are_coroutines_are_tried_again_too() -> None:
    world, calls = World(), list[Call]()

    async def serve(call: Call) -> Reply:
        calls.append(call)
        if len(calls) < 3:
            raise down()
        return REPLY

    pending = asyncio.ensure_future(run_async(make(world)(serve), call_of()))
    while not pending.done():
        await asyncio.sleep(0)
        world.clock.advance(0.1)
    assert await pending is REPLY
    assert len(calls) == 3


async def run_async(service: Service, call: Call) -> Reply:
    return await service(call)


def test_it_goes_on_around_another_service_with_what_it_knows() -> None:
    world = World()
    retry = make(world)
    before, after = Script(down), Script(REPLY)
    for _ in range(20):
        run(retry(before), call_of())
        world.clock.advance(1)
    tokens = retry.budget.tokens
    assert tokens < 1
    assert run(retry(after), call_of()).result() is REPLY
    assert tokens <= retry.budget.tokens <= tokens + 0.1


def test_outcomes_reach_the_layers_around_it_once() -> None:
    world, seen = World(), list[Pending]()
    pending = run(make(world)(Script(down, REPLY)), call_of())
    pending.then(seen.append)
    assert not seen
    world.clock.advance(1)
    world.clock.advance(10)
    assert seen == [pending]


# A storm: a calls b, b calls c, and c fails.


class Hop:
    """A service that calls the next one for each call of its own, and fails where that does."""

    def __init__(self, beyond: Service, target: str) -> None:
        self._beyond = beyond
        self._target = aim(target, idempotent=True)

    def __call__(self, call: Call) -> Pending:
        mine, made = Pending(), call_of(self._target, deadline=call.deadline)
        made.ties = Ties(call)
        nested = run(self._beyond, made)
        mine.on_cancel = nested.cancel

        def ended(settled: Pending) -> None:
            if settled.fault is None:
                mine.resolve(REPLY)
            else:
                mine.fail(Unavailable(f"through {call.target.name}: {settled.fault.detail}", started=Started.YES))

        nested.then(ended)
        return mine


@pytest.mark.parametrize("calls", [26, 100, 1000])
@pytest.mark.parametrize("failing", [1.0, 0.5, 0.2])
@pytest.mark.parametrize("together", [True, False])
def test_a_storm_through_three_hops_stays_below_a_fifth_more(calls: int, failing: float, together: bool) -> None:  # noqa: FBT001 - cases
    chance = random.Random(7)
    world, innermost, succeeded = World(chance.random), list[Call](), list[Pending]()

    def sick(call: Call) -> Pending:
        innermost.append(call)
        return Pending.failed(down()) if chance.random() < failing else Script(REPLY)(call)

    layers = [make(world, attempts=4) for _ in range(3)]
    b = layers[1](Hop(layers[2](sick), "c.f"))
    a = layers[0](Hop(b, "b.f"))
    pendings: list[Pending] = []
    for _ in range(calls):
        pendings.append(run(a, call_of(aim("a.f", idempotent=True), deadline=world.now() + 30)))
        pendings[-1].then(lambda settled: settled.fault or succeeded.append(settled))
        if not together:
            world.clock.advance(0.001)
    world.clock.advance(60)
    assert all(pending.done and not pending.held for pending in pendings)
    assert calls <= len(innermost) < 1.2 * calls
    assert sum(layer.counts["spent"] for layer in layers[:2])
    assert sum(layer.counts["retried"] for layer in layers[:2]) == 0
    assert world.clock.timers == sum(layer.waiting for layer in layers) == 0
    assert len(succeeded) >= (1 - failing) * calls * 0.95


def test_a_failure_of_a_hops_own_is_tried_again_there() -> None:
    world, service = World(), Script(lost, REPLY)
    caller = call_of(aim("a.f", idempotent=True))
    made = call_of(aim("b.f", idempotent=True))
    made.ties = Ties(caller)
    assert run(make(world)(service), made).held
    world.clock.advance(1)
    assert len(service.calls) == 2
    assert not caller.spent


def test_a_call_that_gives_up_marks_its_caller_and_only_that() -> None:
    world, grand, caller, made = World(), call_of(), call_of(), call_of()
    caller.ties, made.ties = Ties(grand), Ties(caller)
    run(make(world)(Script(down)), made)
    world.clock.advance(10)
    assert (caller.spent, grand.spent, made.spent) == (True, False, False)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["ok", "down", "told", "lost", "bad"]), min_size=1, max_size=8),
    st.floats(0.0, 3.0),
    st.integers(1, 5),
    st.booleans(),
)
def test_whatever_comes_no_attempt_begins_past_the_deadline_and_nothing_is_left(
    outcomes: list[str],
    left_s: float,
    attempts: int,
    leaves: bool,  # noqa: FBT001 - drawn
) -> None:
    world = World(random.Random(3).random)
    kinds = {"down": down, "told": told(0.5), "lost": lost, "bad": lambda: InvalidArgument("no")}
    deadline, began = world.now() + left_s, list[float]()
    script = Script(*(REPLY if word == "ok" else kinds[word] for word in outcomes))

    def serve(call: Call) -> Pending:
        began.append(world.now())
        return script(call)

    retry = make(world, attempts=attempts)
    pending = run(retry(serve), call_of(aim(idempotent=True), deadline=deadline))
    if leaves:
        world.clock.advance(0.04)
        pending.cancel()
    world.clock.advance(10)
    assert pending.done
    assert not pending.held
    assert len(began) <= attempts
    assert all(moment < deadline for moment in began[1:])
    assert world.clock.timers == retry.waiting == 0
