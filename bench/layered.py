"""What a layer costs a call that goes well: each around nothing, beside the same thing from others around nothing.

A layer of ours stands around a service that does nothing, and whose pending reply is settled once the call has been
made, as a pool's is. Others wrap an async function that does nothing. What the same calls cost without is taken off.

To add a layer, add a line to `OURS`; for what does the same elsewhere, one to `PEERS` under the same name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from dragoman.contract.function import Contract
from dragoman.core.call import Call, Reply
from dragoman.core.service import Pending
from dragoman.core.target import Target
from dragoman.policies import (
    Batch,
    BatchOptions,
    Breaker,
    BreakerOptions,
    Bulkhead,
    BulkheadOptions,
    Cache,
    CacheOptions,
    Chaos,
    ChaosOptions,
    Coalesce,
    CoalesceOptions,
    Fallback,
    FallbackOptions,
    Hedge,
    HedgeOptions,
    Idempotency,
    IdempotencyOptions,
    Rate,
    RateOptions,
    Retry,
    RetryOptions,
    Shed,
    ShedOptions,
    Surroundings,
    guard,
)

if TYPE_CHECKING:
    from dragoman.core.service import Layer, Service

Function: TypeAlias = Callable[[], Awaitable[Any]]
ROUNDS = 5
"""Each figure is of the quickest round, with and without in turns: what else runs on the machine only ever adds."""
REPLY = Reply(b"{}")
TARGET = Target("bench.nothing", "bench", "nothing", 0, 5.0, idempotent=True)
DEADLINE_S = 5.0
PLENTY = 10_000_000
"""Calls a second that a limit lets through: more than any of them makes. Some keep a note of each."""

OURS: dict[str, Callable[[Surroundings], Layer]] = {
    "retry": lambda here: Retry(RetryOptions(), here),
    "hedge": lambda here: Hedge(HedgeOptions(), here),
    "breaker": lambda here: Breaker(BreakerOptions(), here),
    "breaker, slow calls too": lambda here: Breaker(BreakerOptions(slow_s=1.0), here),
    "fallback": lambda here: Fallback(FallbackOptions(value=b"null"), here),
    "rate": lambda here: Rate(RateOptions(limit=PLENTY), here),
    "rate, of each caller too": lambda here: Rate(RateOptions(limit=PLENTY, caller_limit=PLENTY), here),
    "idempotency, no key": lambda here: Idempotency(IdempotencyOptions(), here),
    "bulkhead": lambda here: Bulkhead(BulkheadOptions(concurrency=64), here),
    "bulkhead, callers' shares too": lambda here: Bulkhead(BulkheadOptions(concurrency=64, caller_share=0.5), here),
    "shed": lambda here: Shed(ShedOptions(), here),
    "coalesce": lambda here: Coalesce(CoalesceOptions(), here),
    "cache, nothing kept": lambda here: Cache(CacheOptions(ttl_s=0.0), here),
    "chaos, which strikes nobody": lambda here: Chaos(ChaosOptions(kill=1e-12), here),
}
"""By name, what makes the layer."""


def stamina(function: Function) -> Function:
    """As its documentation says, for the faults that ours takes for passing."""
    module: Any = import_module("stamina")
    return module.retry(on=ConnectionError, attempts=3)(function)


def tenacity(function: Function) -> Function:
    """With random, growing pauses, as ours has."""
    module: Any = import_module("tenacity")
    return module.retry(
        stop=module.stop_after_attempt(3),
        wait=module.wait_random_exponential(multiplier=0.05, max=2),
        retry=module.retry_if_exception_type(ConnectionError),
    )(function)


def purgatory(function: Function) -> Function:
    """Its decorator, with everything in memory."""
    module: Any = import_module("purgatory")
    return module.AsyncCircuitBreakerFactory(default_threshold=5, default_ttl=30)("bench")(function)


def pybreaker(function: Function) -> Function:
    """Its breaker is for blocking functions: one that makes the coroutine is what it can guard without Tornado."""
    module: Any = import_module("pybreaker")

    def begin() -> Awaitable[Any]:
        return function()

    return module.CircuitBreaker(fail_max=5, reset_timeout=30)(begin)


def limits(function: Function) -> Function:
    """Its moving window, in memory: exact, as a bucket is."""
    limits: Any = import_module("limits")
    storage, strategies = import_module("limits.aio.storage"), import_module("limits.aio.strategies")
    hit: Any = strategies.MovingWindowRateLimiter(storage.MemoryStorage()).hit
    limit: Any = limits.RateLimitItemPerSecond(PLENTY)

    async def limited() -> Any:
        if not await hit(limit, "bench"):
            raise RuntimeError("limits let too few through")
        return await function()

    return limited


def pyrate_limiter(function: Function) -> Function:
    """Its bucket in memory, without a wait."""
    module: Any = import_module("pyrate_limiter")
    acquire: Any = module.Limiter(module.Rate(PLENTY, module.Duration.SECOND)).try_acquire_async

    async def limited() -> Any:
        if not await acquire("bench", blocking=False):
            raise RuntimeError("pyrate-limiter let too few through")
        return await function()

    return limited


def cashews(function: Function) -> Function:
    """Its decorator, in memory: every call after the first is answered there."""
    module: Any = import_module("cashews")
    cache: Any = module.Cache()
    cache.setup("mem://", size=10_000)
    return cache(ttl="1h")(function)


def aiocache(function: Function) -> Function:
    """Its decorator, in memory: every call after the first is answered there."""
    module: Any = import_module("aiocache")
    return module.cached(ttl=3600)(function)


def guarded(function: Function) -> Function:
    """Ours around an async function, as `dragoman.policies.guard` puts it there."""
    given: Any = function
    return guard(given, Retry(), idempotent=True)


PEERS: dict[str, dict[str, Callable[[Function], Function]]] = {
    "retry": {"stamina": stamina, "tenacity": tenacity},
    "breaker": {"purgatory": purgatory, "pybreaker": pybreaker},
    "rate": {"limits": limits, "pyrate-limiter": pyrate_limiter},
    "cache, answer kept": {"cashews": cashews, "aiocache": aiocache},
}
"""By the name of ours, by their own: what wraps an async function."""
KEPT = "cache, answer kept"
"""All that an answer out of memory costs: no function is called, so nothing but the making of a call is taken off."""
GATHERED = "batch, 64 calls in one"
"""What it costs each of them to be taken apart, put together, and given its part of the answer."""
GUARDED = "guard(function, Retry())"
"""Ours as a program has it that hosts nothing: with a task, which the others do without."""


class Nothing:
    """A service that keeps its latest pending reply, for whoever settles it."""

    def __init__(self) -> None:
        self.latest = Pending()

    def __call__(self, _: Call, /) -> Pending:
        """Take a call."""
        self.latest = Pending()
        return self.latest


async def nothing() -> Reply:
    """What others wrap."""
    return REPLY


def own_us(make: Callable[[Surroundings], Layer], calls: int) -> float:
    """What one of our layers costs a call, in µs."""

    async def measure() -> float:
        inner = Nothing()
        service = make(Surroundings.here())(inner)
        return cost_us(lambda: drive(inner, inner, calls), lambda: drive(service, inner, calls))

    return asyncio.run(measure())


def kept_us(calls: int) -> float:
    """What an answer costs that the cache has, in µs."""

    async def measure() -> float:
        inner = Nothing()
        service: Any = Cache(CacheOptions(ttl_s=3600.0), Surroundings.here())(inner)
        service(Call(TARGET, b"{}", deadline=DEADLINE_S))
        inner.latest.resolve(REPLY)

        def hit(call: Call) -> None:
            pending = service(call)
            pending.then(heard)
            if pending.reply.body is not REPLY.body:
                raise RuntimeError("the cache gave another answer")

        return cost_us(lambda: repeat(lambda _: None, calls), lambda: repeat(hit, calls))

    return asyncio.run(measure())


def gathered_us(calls: int) -> float:
    """What gathering costs each of 64 calls that go as one, in µs."""
    together, body = 64, b'{"items":[1.5]}'
    items: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
    contract = Contract("nothing", input={"type": "object", "properties": {"items": items}}, output=items)
    answer = Reply(b"[" + b",".join([b"1.5"] * together) + b"]")

    async def measure() -> float:
        inner = Nothing()
        service: Any = Batch(BatchOptions(together, DEADLINE_S), Surroundings.here(), contract)(inner)

        def round_of(work: Callable[[Call], Pending]) -> float:
            start = time.perf_counter()
            for _ in range(max(calls // together, 1)):
                made = [work(Call(TARGET, body, deadline=start + DEADLINE_S * 10)) for _ in range(together)]
                inner.latest.resolve(answer)
                if made[0].reply is None and work is not inner:
                    raise RuntimeError("the calls were not gathered")
            return (time.perf_counter() - start) / (max(calls // together, 1) * together)

        return cost_us(lambda: round_of(inner), lambda: round_of(service))

    return asyncio.run(measure())


def repeat(work: Callable[[Call], None], calls: int) -> float:
    """Seconds for each of so many calls that somebody does something with."""
    start = time.perf_counter()
    for number in range(calls):
        work(Call(TARGET, b"{}", id=number, deadline=start + DEADLINE_S))
    return (time.perf_counter() - start) / calls


def drive(service: Service, inner: Nothing, calls: int) -> float:
    """So many calls, each settled before the next, as a caller by callbacks makes them; seconds for each."""
    start = time.perf_counter()
    pending: Any = None
    for number in range(calls):
        call = Call(TARGET, b"{}", id=number, deadline=start + DEADLINE_S)
        pending = service(call)
        pending.then(heard)
        inner.latest.resolve(REPLY)
    took = time.perf_counter() - start
    if pending.reply is not REPLY:
        raise RuntimeError("the layer did not pass the reply on")
    return took / calls


def heard(_: Pending) -> None:
    """What a caller does with a reply."""


def peer_us(wrap: Callable[[Function], Function], calls: int) -> float:
    """What somebody else's wrapper costs a call, in µs."""

    async def measure() -> float:
        wrapped = wrap(nothing)
        times: dict[Function, list[float]] = {nothing: [], wrapped: []}
        for _ in range(ROUNDS):
            for function, taken in times.items():
                taken.append(await awaited(function, calls))
        return (min(times[wrapped]) - min(times[nothing])) * 1e6

    return asyncio.run(measure())


async def awaited(function: Function, calls: int) -> float:
    """So many calls, one after the other; seconds for each."""
    reply: Any = None
    start = time.perf_counter()
    for _ in range(calls):
        reply = await function()
    took = time.perf_counter() - start
    if reply.body != REPLY.body:  # some caches copy
        raise RuntimeError("the wrapper did not pass the reply on")
    return took / calls


def cost_us(without: Callable[[], float], within: Callable[[], float]) -> float:
    """What the second takes longer than the first, in µs: the quickest of each, in turns."""
    times = [(without(), within()) for _ in range(ROUNDS)]
    return (min(each[1] for each in times) - min(each[0] for each in times)) * 1e6
