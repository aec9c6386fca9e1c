"""The stack of every function: one table, read from the outside in. A layer that is not configured is not in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from dragoman import policies
from dragoman.config.setting import INLINE
from dragoman.core.fault import Started
from dragoman.host.world import World
from dragoman.policies.deadline import deadline
from dragoman.policies.size import body_size
from dragoman.policies.validate import validate
from dragoman.workers.options import PoolOptions

if TYPE_CHECKING:
    from dragoman.config.layers import Options
    from dragoman.config.project import Source
    from dragoman.contract.function import Contract
    from dragoman.core.service import Layer, Service
    from dragoman.core.target import Target
    from dragoman.policies.batch import Batch, BatchOptions
    from dragoman.policies.breaker import BreakerOptions
    from dragoman.policies.bulkhead import BulkheadOptions
    from dragoman.policies.cache import CacheOptions
    from dragoman.policies.coalesce import Coalesce, CoalesceOptions
    from dragoman.policies.fallback import FallbackOptions
    from dragoman.policies.idempotency import Idempotency, IdempotencyOptions
    from dragoman.policies.rate import RateOptions
    from dragoman.policies.surroundings import Policy, Surroundings


@dataclass(frozen=True, slots=True)
class Site:
    """What a stack is made for: one function of a source, and the options of the layers that it is to have.

    `written` are the keys of the settings that somebody wrote. Its guest `checks` its input or does not, and takes
    every codec or, with `as_json`, JSON alone.
    """

    source: Source
    contract: Contract
    target: Target
    layers: Mapping[str, Options] = field(default_factory=dict[str, "Options"])
    written: Collection[str] = ()
    checks: bool = True
    as_json: bool = False


FORCED: Mapping[str, Literal["open", "closed"]] = {"forced_open": "open", "forced_closed": "closed"}
"""States of a breaker that its operator chose, and the order that brings it there."""

Known = Mapping[str, "Policy"]
"""The layers with a state of one function, by name. Each has its `options`."""


class Making(NamedTuple):
    """A stack that is being made: for which function, in which world, and with which layers known already."""

    site: Site
    world: World
    known: Known


class Stacked(NamedTuple):
    """A stack: its top, its layers with a state, and the names of all layers, from the outside in."""

    service: Service
    layers: dict[str, Policy]
    names: tuple[str, ...]


class Line(NamedTuple):
    """One line of the table: a layer, what makes it (None: not for this function), and why it stands where it does."""

    name: str
    make: Callable[[Making], Layer | None]
    why: str


def _size(making: Making) -> Layer | None:
    bytes_max = making.site.source.pool.body_bytes_max
    # The default is what the wire itself is told to bound.
    return body_size(bytes_max) if bytes_max < PoolOptions().body_bytes_max else None


def _validate(making: Making) -> Layer | None:
    site = making.site
    as_json = site.as_json or site.source.kind == "command"
    if site.checks and not as_json:
        return None
    return validate(site.contract.input, as_json=as_json, input_stream=site.contract.input_stream)


def _deadline(making: Making) -> Layer | None:
    source = making.site.source
    if not source.bounds_calls:
        return None
    around = making.world.surroundings
    # Nobody knows how far a service had come.
    return deadline(around.clock, around.call_later, Started.YES if source.mode == INLINE else Started.UNKNOWN)


def _bulkhead(making: Making) -> Layer | None:
    """That of the settings; where there is no pool to bound calls, the source's own bounds hold beside them."""
    source = making.site.source
    options = cast("BulkheadOptions | None", making.site.layers.get("bulkhead"))
    if source.bounds_calls:
        places, queue = source.pool.concurrency, source.pool.queue
        if options is None:
            options = policies.BulkheadOptions(places, queue)
        else:
            queue = options.queue if "bulkhead.queue" in making.site.written else queue
            options = replace(options, concurrency=min(options.concurrency or places, places), queue=queue)
    if options is None:
        return None
    return _known(making, "bulkhead", options) or policies.Bulkhead(options, making.world.surroundings)


def _fallback(options: FallbackOptions, making: Making) -> Policy:
    return policies.Fallback(options, making.world.surroundings, making.world.route)


def _rate(options: RateOptions, making: Making) -> Policy:
    world, shared = making.world, options.shared
    store = world.store if shared else None
    return policies.Rate(options, world.surroundings, world.totals(shared=shared), store, making.site.target.name)


def _idempotency(options: IdempotencyOptions, making: Making) -> Policy:
    world = making.world
    layer = policies.Idempotency(
        options, world.surroundings, world.store if options.shared else None, making.site.target.name
    )
    before = cast("Idempotency | None", making.known.get("idempotency"))
    if before is not None:
        # A key that was used stays used.
        layer.take_over(before)
    return layer


def _cache(options: CacheOptions, making: Making) -> Policy:
    world = making.world
    return policies.Cache(options, world.surroundings, world.store if options.shared else None, making.site.target)


def _coalesce(making: Making) -> Layer | None:
    """It joins what a cache around it would join by the same key, so that one of the two is enough."""
    layers = making.site.layers
    options, cache = (
        cast("CoalesceOptions | None", layers.get("coalesce")),
        cast("CacheOptions | None", layers.get("cache")),
    )
    if options is None:
        return None
    covered = cache is not None and cache.key == options.key
    known = cast("Coalesce | None", _known(making, "coalesce", options))
    if known is not None and known.covered == covered:
        return known
    return policies.Coalesce(options, making.world.surroundings, covered=covered)


def _breaker(options: BreakerOptions, making: Making) -> Policy:
    breaker = policies.Breaker(options, making.world.surroundings)
    before = making.known.get("breaker")
    if before is not None:
        # What an operator has ordered holds until an operator says otherwise.
        breaker.force(FORCED.get(str(before.state()["state"])))
    return breaker


def _batch(options: BatchOptions, making: Making) -> Policy:
    return policies.Batch(options, making.world.surroundings, making.site.contract)


def _simple(kind: str) -> Callable[[Any, Making], Policy]:
    """A layer that needs nothing but its options and its surroundings. Imported where it is wanted."""
    return lambda options, making: getattr(policies, kind)(options, making.world.surroundings)


def _policy(name: str, make: Callable[[Any, Making], Policy]) -> Callable[[Making], Layer | None]:
    """A layer with a state: the one that the function has already, with what it knows, if its options are the same."""

    def made(making: Making) -> Layer | None:
        options = making.site.layers.get(name)
        if options is None:
            return None
        return _known(making, name, options) or make(options, making)

    return made


def _known(making: Making, name: str, options: Options) -> Policy | None:
    known = making.known.get(name)
    if name == "batch" and known is not None and not cast("Batch", known).suits(making.site.contract):
        return None
    return known if known is not None and getattr(known, "options", None) == options else None


STACK = (
    Line("size", _size, "before anything looks into the body"),
    Line("validate", _validate, "nothing wrong gets farther: it is not counted, kept or waited for"),
    Line("fallback", _policy("fallback", _fallback), "answers for whatever goes wrong below"),
    Line("rate", _policy("rate", _rate), "a call too many is turned away before it costs anything"),
    Line("idempotency", _policy("idempotency", _idempotency), "a call that is repeated gets the answer that it had"),
    Line("cache", _policy("cache", _cache), "an answer that is there needs none of what follows"),
    Line("coalesce", _coalesce, "identical calls that need an answer ask for it once"),
    Line("shed", _policy("shed", _simple("Shed")), "what is left is work: the least important goes first"),
    Line("deadline", _deadline, "the time spent in every wait below counts; a pool keeps deadlines by itself"),
    Line("retry", _policy("retry", _simple("Retry")), "each attempt meets what is below anew"),
    Line("hedge", _policy("hedge", _simple("Hedge")), "a second attempt is one more call for what is below"),
    Line("breaker", _policy("breaker", _breaker), "sees each attempt, and nothing that a layer answered itself"),
    Line("chaos", _policy("chaos", _simple("Chaos")), "what goes wrong on purpose is met by all that guards"),
    Line("bulkhead", _bulkhead, "places are for calls that run, not for those that wait for another try"),
    Line("batch", _policy("batch", _batch), "what has its place may be gathered; a pool then sees one call"),
)
"""The layers, outermost first."""

PLAIN = frozenset({"size", "validate", "deadline"})
"""Layers that know nothing from one call to the next. Any thread may have some of its own."""


def stack(service: Service, site: Site, world: World, known: Known | None = None) -> Stacked:
    """Put the layers that a function is to have around its innermost service.

    A layer that is `known` already is put around the new service with all that it knows, if its options are the same.
    """
    making = Making(site, world, known or {})
    layers: dict[str, Policy] = {}
    names: list[str] = []
    for line in reversed(STACK):
        layer = line.make(making)
        if layer is None:
            continue
        service = layer(service)
        names.append(line.name)
        if line.name not in PLAIN:
            layers[line.name] = cast("Policy", layer)
    return Stacked(service, dict(reversed(layers.items())), tuple(reversed(names)))


def plain_stack(service: Service, site: Site, surroundings: Surroundings) -> Service:
    """The layers that know nothing from one call to the next, around a service."""
    making = Making(site, World(surroundings), {})
    for line in reversed(STACK):
        layer = line.make(making) if line.name in PLAIN else None
        service = service if layer is None else layer(service)
    return service
