from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dragoman.config.layers import TABLES
from dragoman.config.project import Source
from dragoman.contract.function import Contract
from dragoman.core.call import Call, Reply
from dragoman.core.clock import SystemClock
from dragoman.core.draft import whole
from dragoman.core.fault import DeadlineExceeded, InvalidArgument, Overloaded
from dragoman.core.service import Pending, Service, settle
from dragoman.core.target import Target
from dragoman.host.stacks import STACK, Site, Stacked, stack
from dragoman.host.world import World
from dragoman.policies.batch import BatchOptions
from dragoman.policies.breaker import BreakerOptions
from dragoman.policies.bulkhead import Bulkhead, BulkheadOptions
from dragoman.policies.cache import Cache, CacheOptions
from dragoman.policies.coalesce import Coalesce, CoalesceOptions
from dragoman.policies.idempotency import IdempotencyOptions
from dragoman.policies.retry import RetryOptions
from dragoman.policies.surroundings import Surroundings
from dragoman.workers.options import PoolOptions

if TYPE_CHECKING:
    from dragoman.config.layers import Options


CONTRACT = Contract(
    "count",
    input={"type": "object", "properties": {"n": {"type": "integer", "default": 5}}, "required": ["file"]},
)


@dataclass
class Innermost:
    """Answers with the input it got, once the gate is open."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0

    async def __call__(self, call: Call, /) -> Reply:
        self.calls += 1
        self.entered.set()
        await self.gate.wait()
        return Reply(whole(call.body))


def a_call(body: bytes = b"{}", *, deadline: float = 1e9) -> Call:
    return Call(Target("shop.count", "shop", "count", 0, 1.0), body, deadline=deadline)


def inline(concurrency: int = 1, queue: int = 0) -> Source:
    return Source("shop", "guest", Path("/"), mode="inline", pool=PoolOptions(concurrency=concurrency, queue=queue))


def stacked(innermost: Service, source: Source) -> Service:
    return stack(innermost, Site(source, CONTRACT, a_call().target), World(Surroundings.here())).service


def test_a_warm_source_has_no_layer_of_its_own() -> None:
    innermost = Innermost()
    source = Source("shop", "guest", Path("/"))
    assert stacked(innermost, source) is innermost


async def test_the_input_of_a_command_is_checked_before_it_is_run() -> None:
    innermost = Innermost()
    innermost.gate.set()
    service = stacked(innermost, Source("count", "command", Path("/"), mode="exec"))
    with pytest.raises(InvalidArgument) as refusal:
        await service(a_call(b'{"n": "many"}'))
    assert {breach.path for breach in refusal.value.errors} >= {"/n"}
    assert innermost.calls == 0


async def test_a_command_gets_the_defaults_of_its_schema() -> None:
    innermost = Innermost()
    innermost.gate.set()
    service = stacked(innermost, Source("count", "command", Path("/"), mode="exec"))
    assert json.loads(bytes((await service(a_call(b'{"file": "a"}'))).body)) == {"file": "a", "n": 5}


async def test_an_inline_source_takes_so_many_calls_and_refuses_the_rest() -> None:
    innermost = Innermost()
    service = stacked(innermost, inline(concurrency=2, queue=1))
    loop_calls = [asyncio.ensure_future(service(a_call())) for _ in range(4)]
    done, _ = await asyncio.wait(loop_calls, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert [type(call.exception()) for call in done] == [Overloaded]
    assert innermost.calls == 2, "the third waits"
    innermost.gate.set()
    answers = await asyncio.gather(*loop_calls, return_exceptions=True)
    assert sum(isinstance(answer, Reply) for answer in answers) == 3


async def test_time_spent_waiting_counts_for_an_inline_call() -> None:
    clock = SystemClock()
    innermost = Innermost()
    service = stacked(innermost, inline(queue=5))
    first = asyncio.ensure_future(service(a_call(deadline=clock.monotonic() + 60)))
    await innermost.entered.wait()
    with pytest.raises(DeadlineExceeded):
        await service(a_call(deadline=clock.monotonic() + 0.02))
    innermost.gate.set()
    assert (await first).body == b"{}"
    assert innermost.calls == 1, "what waited past its deadline is never run"


def known(source: Source, layers: Mapping[str, Options], before: Stacked | None = None) -> Stacked:
    site = Site(source, CONTRACT, a_call().target, layers)
    return stack(Innermost(), site, World(Surroundings.here()), None if before is None else before.layers)


def test_the_table_names_each_layer_once_and_says_why_it_stands_there() -> None:
    names = [line.name for line in STACK]
    assert len(set(names)) == len(names)
    assert all(line.why for line in STACK)
    assert [name for name in names if name in TABLES] == list(TABLES)


def test_only_what_is_configured_is_in_the_stack() -> None:
    source = Source("shop", "guest", Path("/"))
    made = known(source, {"breaker": BreakerOptions(), "retry": RetryOptions()})
    assert list(made.layers) == ["retry", "breaker"]
    assert known(source, {}).layers == {}


def test_a_layer_goes_on_with_what_it_knows_where_its_options_are_the_same() -> None:
    source = Source("shop", "guest", Path("/"))
    first = known(source, {"breaker": BreakerOptions(), "retry": RetryOptions()})
    second = known(source, {"breaker": BreakerOptions(), "retry": RetryOptions(attempts=9)}, first)
    assert second.layers["breaker"] is first.layers["breaker"]
    assert second.layers["retry"] is not first.layers["retry"]


async def test_a_used_idempotency_key_stays_used_where_options_change() -> None:
    source, innermost = Source("shop", "guest", Path("/")), Innermost()
    innermost.gate.set()
    first = known(source, {"idempotency": IdempotencyOptions()})
    second = known(source, {"idempotency": IdempotencyOptions(ttl_s=60.0)}, first)
    assert second.layers["idempotency"] is not first.layers["idempotency"]
    for made in (first, second):
        layer, call = made.layers["idempotency"], a_call()
        call.idempotency_key = "k"
        assert (await layer(innermost)(call)).body == b"{}"
    assert innermost.calls == 1


async def test_after_an_invalidation_nobody_joins_a_run_from_before_it() -> None:
    innermost = Innermost()
    source, target = Source("shop", "guest", Path("/")), Target("shop.count", "shop", "count", 0, 1.0, idempotent=True)
    site = Site(source, CONTRACT, target, {"cache": CacheOptions(), "coalesce": CoalesceOptions()})
    made = stack(innermost, site, World(Surroundings.here()))
    cache, now = made.layers["cache"], SystemClock().monotonic()
    assert isinstance(cache, Cache)
    before = settle(made.service(Call(target, b"{}", deadline=now + 60, arrived_at=now)))
    joining = settle(made.service(Call(target, b"{}", deadline=now + 60, arrived_at=now)))
    cache.invalidate()
    after = settle(made.service(Call(target, b"{}", deadline=now + 60, arrived_at=now)))
    innermost.gate.set()
    await asyncio.gather(*(_ended(each) for each in (before, joining, after)))
    assert innermost.calls == 2


async def _ended(pending: Pending) -> Reply:
    return await pending


@pytest.mark.parametrize(("key", "covered"), [((), True), (("n",), False)])
def test_a_cache_by_the_same_key_joins_calls_already(key: tuple[str, ...], *, covered: bool) -> None:
    source = Source("shop", "guest", Path("/"))
    alone = known(source, {"coalesce": CoalesceOptions(key=key)})
    cached = known(source, {"cache": CacheOptions(), "coalesce": CoalesceOptions(key=key)}, alone)
    for made, expected in ((alone, False), (cached, covered)):
        layer = made.layers["coalesce"]
        assert isinstance(layer, Coalesce)
        assert layer.covered is expected
    assert (cached.layers["coalesce"] is alone.layers["coalesce"]) is not covered


def test_a_batch_is_made_anew_where_another_property_is_the_list_now() -> None:
    def made(items: str, known: Stacked | None = None) -> Stacked:
        schema: dict[str, object] = {"type": "array"}
        contract = Contract("count", input={"type": "object", "properties": {items: schema}}, output=schema)
        source = Source("shop", "guest", Path("/"))
        site = Site(source, contract, a_call().target, {"batch": BatchOptions()})
        return stack(Innermost(), site, World(Surroundings.here()), known.layers if known else None)

    first = made("xs")
    assert made("xs", first).layers["batch"] is first.layers["batch"]
    assert made("ys", first).layers["batch"] is not first.layers["batch"]


def test_a_source_inside_the_host_has_its_own_bounds_beside_those_of_the_settings() -> None:
    assert options(known(inline(3, 7), {})) == BulkheadOptions(3, 7)
    mine = known(inline(3, 7), {"bulkhead": BulkheadOptions(9, caller_share=0.5)})
    assert options(mine) == BulkheadOptions(3, 7, 0.5)


def options(made: Stacked) -> BulkheadOptions:
    layer = made.layers["bulkhead"]
    assert isinstance(layer, Bulkhead)
    return layer.options
