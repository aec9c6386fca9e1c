import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.fault import (
    Code,
    DeadlineExceeded,
    Fault,
    Started,
    Unavailable,
)
from dragoman.core.service import Layer, Pending, Service
from dragoman.policies import (
    Breaker,
    BreakerOptions,
    Bulkhead,
    BulkheadOptions,
    Cache,
    CacheOptions,
    Coalesce,
    CoalesceOptions,
    Fallback,
    FallbackOptions,
    Hedge,
    Retry,
    RetryOptions,
    Surroundings,
    guard,
)
from dragoman.policies.guarding import is_plain, may_be_async, name_of
from tests.policies.world import World

QUICK = RetryOptions(base_s=0.0)


class Odd:
    """A value that no codec can say."""


class Noting:
    """A layer that writes down the calls and replies that pass it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.replies: list[Reply] = []

    def __call__(self, service: Service) -> Service:
        async def noting(call: Call) -> Reply:
            self.calls.append(call)
            self.replies.append(await service(call))
            return self.replies[-1]

        return noting

    def said(self) -> list[Any]:
        return [msgspec.msgpack.decode(bytes(call.body)) for call in self.calls if isinstance(call.body, bytes)]


async def add(a: Any, b: Any = 1) -> Any:
    """Add two things."""
    return a + b


async def test_a_guarded_function_is_called_as_before() -> None:
    guarded = guard(add, Retry(), Breaker(), Hedge(), Bulkhead(BulkheadOptions(concurrency=2), Surroundings.here()))
    assert await guarded(1, b=2) == 3
    assert await guarded("a", "b") == "ab"
    assert (guarded.__name__, guarded.__doc__) == ("add", "Add two things.")
    assert await guard(add)(1) == 2
    with pytest.raises(TypeError, match="argument"):
        await guarded(1, 2, 3)  # pyright: ignore[reportCallIssue] - that is the test


@pytest.mark.parametrize("layers", [[], [Retry()], [Noting(), Coalesce(CoalesceOptions(), Surroundings.here())]])
async def test_arguments_and_results_are_the_objects_themselves(layers: list[Layer]) -> None:
    async def same(value: Odd, *values: Odd, **named: Odd) -> tuple[Odd, ...]:
        return (value, *values, *named.values())

    odd = Odd()
    assert all(each is odd for each in await guard(same, *layers)(odd, odd, name=odd))


@pytest.mark.parametrize("layers", [[], [Retry(QUICK)], [Noting(), Breaker(), Retry(QUICK)]])
async def test_what_it_raises_reaches_the_caller_as_it_is(layers: list[Layer]) -> None:
    error = KeyError("there is none")

    async def find() -> None:
        raise error

    with pytest.raises(KeyError) as raised:
        await guard(find, *layers)()
    assert raised.value is error


async def test_exceptions_mean_what_the_table_says() -> None:
    async def fail(error: Exception) -> None:
        raise error

    codes: dict[type[Exception], Code] = {LookupError: Code.NOT_FOUND, ConnectionError: Code.UNAVAILABLE}
    for error, calls in ((ConnectionResetError("gone"), 3), (KeyError("none"), 1), (ZeroDivisionError("oops"), 1)):
        noting = Noting()
        with pytest.raises(type(error)):
            await guard(fail, Retry(QUICK), noting, idempotent=True, codes=codes)(error)
        assert len(noting.calls) == calls
    breaker = Breaker(BreakerOptions(calls_min=1))
    with pytest.raises(KeyError):
        await guard(fail, breaker, codes=codes)(KeyError("none"))
    assert breaker.state()["state"] == "closed"
    with pytest.raises(KeyError):
        await guard(fail, breaker)(KeyError("none"))
    assert breaker.state()["state"] == "open"


async def test_a_function_that_is_not_idempotent_is_not_tried_again() -> None:
    calls: list[int] = []

    async def fetch() -> None:
        calls.append(1)
        raise ConnectionError("gone")

    for idempotent in (False, True):
        calls.clear()
        with pytest.raises(ConnectionError):
            await guard(fetch, Retry(QUICK), idempotent=idempotent)()
        assert len(calls) == (3 if idempotent else 1)


async def test_a_function_that_knows_that_nothing_was_done_may_say_so() -> None:
    calls: list[int] = []

    async def fetch() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise Unavailable("could not connect", started=Started.NO)
        return 7

    assert await guard(fetch, Retry(QUICK))() == 7


async def test_layers_refuse_with_faults_of_their_own() -> None:
    breaker = Breaker()
    breaker.force("open")
    with pytest.raises(Unavailable, match=r"tests\.policies\.test_guarding\.add is not called for now"):
        await guard(add, breaker)(1, 2)
    with pytest.raises(Unavailable, match=r"sums\.add is not called"):
        await guard(add, breaker, name="sums.add")(1, 2)


async def test_a_fallback_gives_a_value_in_its_place() -> None:
    async def fetch() -> dict[str, Any]:
        raise ConnectionError("gone")

    fallback = Fallback(FallbackOptions(value=b'{"rates": {}, "stale": true}'))
    assert await guard(fetch, fallback)() == {"rates": {}, "stale": True}


async def test_time_runs_out_wherever_it_is_spent() -> None:
    stopped = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with pytest.raises(DeadlineExceeded, match=r"ran past its 0\.01s timeout") as fault:
        await guard(hang, Retry(), timeout_s=0.01)()
    assert fault.value.started is Started.YES
    assert stopped.is_set()

    async def late() -> None:
        raise TimeoutError("somebody else's")

    with pytest.raises(TimeoutError, match="somebody else's"):
        await guard(late, Retry(), timeout_s=10)()


async def test_a_caller_that_leaves_cancels_the_function() -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    task = asyncio.ensure_future(guard(hang, Retry(), Breaker(), idempotent=True)())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(stopped.wait(), 5)


async def test_calls_with_the_same_arguments_are_one_to_layers_that_share_answers() -> None:
    calls: list[Any] = []

    async def slow(a: Any, b: Any = 1) -> list[Any]:
        calls.append((a, b))
        await asyncio.sleep(0)
        return [a]

    odd = Odd()
    layer = Coalesce(CoalesceOptions(), Surroundings.here())
    guarded = guard(slow, layer, idempotent=True)
    await asyncio.gather(guarded(1), guarded(1, 1), guarded(a=1, b=1), guarded(2), guarded(odd), guarded(odd))
    assert calls == [(1, 1), (2, 1), (odd, 1), (odd, 1)]


async def test_arguments_are_said_by_name_and_each_that_cannot_be_is_unlike_all() -> None:
    noting = Noting()

    async def take(a: Any, *rest: Any, key: Any = 0, **named: Any) -> None: ...

    guarded = guard(take, noting)
    await guarded(1, 2, 3, named=4)
    await guarded(1, Odd())
    await guarded(iter([1]), key=2**70)
    first, second, third = noting.said()
    assert first == {"a": 1, "rest": [2, 3], "key": 0, "named": {"named": 4}}
    assert (second["a"], second["key"]) == (1, 0)
    assert second["rest"] != third["a"]
    assert all("unlike" in value for value in third.values())


async def test_layers_that_read_no_bodies_cost_no_encoding() -> None:
    class Quiet(Noting):
        reads_bodies = False

    quiet = Quiet()
    guarded = guard(add, quiet, Retry(), Breaker(), Hedge(), Fallback(FallbackOptions(value=b"0")))
    await guarded(1, 2)
    assert [bytes(call.body) for call in quiet.calls if isinstance(call.body, bytes)] == [b""]


async def test_an_argument_that_can_be_read_once_is_not_used_up() -> None:
    async def total(numbers: Iterator[int]) -> int:
        return sum(numbers)

    assert await guard(total, Noting())(iter([1, 2, 3])) == 6


async def test_an_answer_that_was_kept_elsewhere_comes_back_as_data() -> None:
    class Elsewhere(Noting):
        def __call__(self, service: Service) -> Service:
            inner = super().__call__(service)

            async def keep(call: Call) -> Reply:
                reply = await inner(call)
                return Reply(bytes(bytearray(reply.body)), reply.codec)

            return keep

    assert await guard(add, Elsewhere())([1], [2]) == [1, 2]

    async def odd() -> Odd:
        return Odd()

    with pytest.raises(TypeError, match=r"lost an answer of .*odd"):
        await guard(odd, Elsewhere())()


async def test_a_cache_keeps_the_objects_themselves() -> None:
    calls: list[Any] = []

    async def make(key: Any) -> Odd:
        calls.append(key)
        return Odd()

    guarded = guard(make, Cache(CacheOptions(), Surroundings.here()), idempotent=True)
    assert await guarded(1) is await guarded(1)
    assert await guarded(1) is not await guarded(2)
    odd = Odd()
    assert await guarded(odd) is not await guarded(odd)
    assert calls == [1, 2, odd, odd]


async def test_an_answer_that_a_layer_lost_is_asked_for_anew() -> None:
    class Lossy(Noting):
        def __call__(self, service: Service) -> Service:
            inner = super().__call__(service)

            async def keep(call: Call) -> Reply:
                return await inner(call) if call.fresh else Reply(b"", Codec.MSGPACK)

            return keep

    async def odd() -> Odd:
        return Odd()

    assert isinstance(await guard(odd, Lossy())(), Odd)


async def test_calls_that_a_guarded_function_makes_know_whose_they_are() -> None:
    noting, inner_calls = Noting(), list[int]()

    async def inner() -> None:
        inner_calls.append(1)
        raise ConnectionError("gone")

    guarded_inner = guard(inner, noting, Retry(QUICK), idempotent=True)

    async def outer() -> None:
        await guarded_inner()

    with pytest.raises(ConnectionError):
        await guard(outer, Retry(QUICK), idempotent=True, timeout_s=30)()
    assert len(inner_calls) == 3, "only the one next to the trouble tries again"
    (made,) = noting.calls
    assert made.ties
    assert made.ties.caller
    assert made.depth == 1
    assert made.deadline == made.ties.caller.deadline
    with pytest.raises(ConnectionError):
        await guarded_inner()
    assert noting.calls[-1].ties is None


@pytest.mark.parametrize("kind", ["plain", "generator", "async generator", "lambda", "builtin"])
def test_only_async_functions_can_be_guarded(kind: str) -> None:
    def plain() -> None: ...

    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    functions: dict[str, Callable[..., Any]] = {
        "plain": plain,
        "generator": generator,
        "async generator": async_generator,
        "lambda": lambda: 1,
        "builtin": len,
    }
    with pytest.raises(TypeError, match="is not an async function"):
        guard(functions[kind])


async def test_what_can_be_called_like_one_can_be_guarded_too() -> None:
    class Adder:
        async def __call__(self, a: int) -> int:
            return a + 1

        async def method(self, a: int) -> int:
            return a + 2

    assert await guard(Adder(), Retry())(1) == 2
    assert await guard(Adder().method, Retry())(1) == 3
    assert name_of(Adder()).endswith("Adder")
    assert may_be_async(Adder())


@dataclass
class Point:
    x: int
    y: Any


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": [1, 2.0, None, (True, b"x")], 3: {4}}, True),
        (datetime(2026, 1, 1, tzinfo=UTC), True),
        (Decimal("1.5"), True),
        (Point(1, [2]), True),
        (Point(1, iter([2])), False),
        (Point, False),
        ([iter([])], False),
        ({"a": {"b": Odd()}}, False),
        ({Point(1, 2).x: object()}, False),
    ],
)
def test_what_is_plain_data(value: Any, *, plain: bool) -> None:
    assert is_plain(value) is plain


def test_data_that_holds_itself_is_not_plain() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert not is_plain(ring)


async def test_faults_of_the_function_itself_pass_as_they_are() -> None:
    fault = Fault.not_found("no such row")

    async def find() -> None:
        raise fault

    with pytest.raises(type(fault)) as raised:
        await guard(find, Retry(), Breaker())()
    assert raised.value is fault


async def test_a_guard_works_with_time_that_is_the_tests_own() -> None:
    world, calls = World(), list[int]()

    async def fetch() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError("gone")
        return 7

    retry = Retry(RetryOptions(base_s=50.0, max_s=50.0), world.surroundings)
    task = asyncio.ensure_future(guard(fetch, retry, idempotent=True)())
    for _ in range(10):
        await asyncio.sleep(0)
    assert retry.waiting == 1
    world.clock.advance(50)
    assert await task == 7


async def test_what_a_layer_gives_may_be_a_pending() -> None:
    class Refusing:
        def __call__(self, service: Service) -> Service:
            return lambda call: Pending.failed(Unavailable(call.target.name))

    with pytest.raises(Unavailable):
        await guard(add, Refusing())(1)
