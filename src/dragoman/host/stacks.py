"""The stack of every function, one list read from the outside in. A layer that is not configured is not in it."""

from __future__ import annotations

import asyncio
from itertools import count
from random import random
from typing import TYPE_CHECKING, Any

from dragoman.core.fault import Started
from dragoman.policies.bulkhead import Bulkhead, BulkheadOptions
from dragoman.policies.deadline import deadline
from dragoman.policies.size import body_size
from dragoman.policies.surroundings import Surroundings
from dragoman.policies.validate import validate
from dragoman.workers.options import PoolOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.config.project import Source
    from dragoman.contract.function import Contract
    from dragoman.core.clock import Clock, Timer
    from dragoman.core.service import Layer, Service


def stack(
    service: Service, source: Source, contract: Contract, clock: Clock, *, checks: bool = True, as_json: bool = False
) -> Service:
    """Put the configured layers around a function's innermost service.

    It `checks` its input or does not, and takes every codec or, with `as_json`, JSON alone.
    """
    layers: list[Layer] = []
    if source.pool.body_bytes_max < PoolOptions().body_bytes_max:
        # Before anything looks into the body. The default is what the wire itself is told to bound.
        layers.append(body_size(source.pool.body_bytes_max))
    as_json = as_json or source.kind == "command"
    if as_json or not checks:
        # The guest trusts its input, and a service need not know of the call: nothing wrong may get past here, nor
        # wait in line for it.
        layers.append(validate(contract.input, as_json=as_json, input_stream=contract.input_stream))
    if source.mode in ("inline", "upstream"):
        # A pool bounds calls and ends them at their deadline by itself; inside the host these layers do. The deadline
        # comes first, since time spent waiting counts. Nobody knows how far a service had come.
        layers.append(deadline(clock, Started.YES if source.mode == "inline" else Started.UNKNOWN))
        surroundings = Surroundings(clock, call_later, random, count(1).__next__)
        layers.append(Bulkhead(BulkheadOptions(source.pool.concurrency, source.pool.queue), surroundings))
    for layer in reversed(layers):
        service = layer(service)
    return service


def call_later(delay: float, callback: Callable[..., object], /, *args: Any) -> Timer:
    """Call back once, `delay` seconds from now, on the loop that is running."""
    return asyncio.get_running_loop().call_later(delay, callback, *args)
