"""One layer a file: what may be put around a function's service.

The layers that keep a state of their own, their options, and `guard`, which puts them around any async function of a
program, can be had from here. They are looked up when they are first used: a host imports only those that are set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.policies.batch import Batch, BatchOptions
    from dragoman.policies.breaker import Breaker, BreakerOptions
    from dragoman.policies.bulkhead import Bulkhead, BulkheadOptions
    from dragoman.policies.cache import Cache, CacheOptions
    from dragoman.policies.chaos import Chaos, ChaosOptions
    from dragoman.policies.coalesce import Coalesce, CoalesceOptions
    from dragoman.policies.fallback import Fallback, FallbackOptions
    from dragoman.policies.guarding import guard
    from dragoman.policies.hedge import Hedge, HedgeOptions
    from dragoman.policies.idempotency import Idempotency, IdempotencyOptions
    from dragoman.policies.rate import Rate, RateOptions
    from dragoman.policies.retry import Retry, RetryOptions
    from dragoman.policies.shed import Shed, ShedOptions
    from dragoman.policies.surroundings import Policy, Surroundings

__all__ = [
    "Batch",
    "BatchOptions",
    "Breaker",
    "BreakerOptions",
    "Bulkhead",
    "BulkheadOptions",
    "Cache",
    "CacheOptions",
    "Chaos",
    "ChaosOptions",
    "Coalesce",
    "CoalesceOptions",
    "Fallback",
    "FallbackOptions",
    "Hedge",
    "HedgeOptions",
    "Idempotency",
    "IdempotencyOptions",
    "Policy",
    "Rate",
    "RateOptions",
    "Retry",
    "RetryOptions",
    "Shed",
    "ShedOptions",
    "Surroundings",
    "guard",
]

_HOMES = {
    "Batch": "dragoman.policies.batch",
    "BatchOptions": "dragoman.policies.batch",
    "Breaker": "dragoman.policies.breaker",
    "BreakerOptions": "dragoman.policies.breaker",
    "Bulkhead": "dragoman.policies.bulkhead",
    "BulkheadOptions": "dragoman.policies.bulkhead",
    "Cache": "dragoman.policies.cache",
    "CacheOptions": "dragoman.policies.cache",
    "Chaos": "dragoman.policies.chaos",
    "ChaosOptions": "dragoman.policies.chaos",
    "Coalesce": "dragoman.policies.coalesce",
    "CoalesceOptions": "dragoman.policies.coalesce",
    "Fallback": "dragoman.policies.fallback",
    "FallbackOptions": "dragoman.policies.fallback",
    "Hedge": "dragoman.policies.hedge",
    "HedgeOptions": "dragoman.policies.hedge",
    "Idempotency": "dragoman.policies.idempotency",
    "IdempotencyOptions": "dragoman.policies.idempotency",
    "Policy": "dragoman.policies.surroundings",
    "Rate": "dragoman.policies.rate",
    "RateOptions": "dragoman.policies.rate",
    "Retry": "dragoman.policies.retry",
    "RetryOptions": "dragoman.policies.retry",
    "Shed": "dragoman.policies.shed",
    "ShedOptions": "dragoman.policies.shed",
    "Surroundings": "dragoman.policies.surroundings",
    "guard": "dragoman.policies.guarding",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'dragoman.policies' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415 - only when a name is first used

    value = globals()[name] = getattr(import_module(home), name)
    return value
