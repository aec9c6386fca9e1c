"""A store that hosts share is killed, restarted, stopped, filled and cut off, under load: no caller notices."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from dragoman.core.call import Codec
from dragoman.core.fault import Fault, ResourceExhausted
from dragoman.core.service import settle
from dragoman.host.host import Host
from dragoman.policies.cache import Cache
from dragoman.stores.valkey import Valkey
from tests.integration.conftest import hosted, pool_of, soon
from tests.valkey import Proxy, Server, proxied

SOURCE = """
async def twice(n: int) -> int:
    return 2 * n

async def few(n: int) -> int:
    return n

async def kept(n: int) -> int:
    return n
"""
TOML = """
[sources.web]
path = "web.py"
idempotent = true
workers = 1
concurrency = 100

[functions."web.twice"]
rate = {{ limit = "1000000/s", caller_limit = "1000000/s", shared = true }}
idempotency = {{ ttl = "1m", shared = true }}
cache = {{ ttl = "1m", shared = true }}
coalesce = true
retry = true
breaker = true
bulkhead = 64

[functions."web.few"]
rate = {{ limit = "{limit}/s", shared = true }}

[functions."web.kept"]
cache = {{ ttl = "1m", shared = true }}

[shared]
url = "redis://127.0.0.1:{port}"
prefix = "lost"
timeout = "{timeout}ms"
"""
TIMEOUT_S = 0.4
NOISE_S = 0.2
"""What a busy machine may take for a call by itself; a second timeout in a row would be more."""
LIMIT = 40
CALLERS = 16
STRETCH_S = 1.0


def project(folder: Path, port: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "web.py").write_text(SOURCE)
    toml = TOML.format(port=port, limit=LIMIT, timeout=round(TIMEOUT_S * 1000))
    (folder / "dragoman.toml").write_text(toml)
    return folder


def store_of(host: Host) -> Valkey:
    store = host.world.store
    assert store is not None
    return store


class Site:
    """Two hosts, the network that they reach their store by, and the store."""

    def __init__(self, hosts: list[Host], proxy: Proxy, server: Server) -> None:
        self.hosts = hosts
        self.proxy = proxy
        self.server = server

    async def up(self) -> None:
        """Wait until both hosts have their store, and hear what is said there."""
        for host in self.hosts:
            await soon(lambda host=host: store_of(host).up and store_of(host).state()["listening"])

    async def down(self) -> None:
        for host in self.hosts:
            await soon(lambda host=host: not store_of(host).up)


@pytest.fixture
async def site(tmp_path: Path, server: Server) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxied(server.port))
        folders = [project(tmp_path / name, proxy.port) for name in ("one", "two")]
        hosts = [await stack.enter_async_context(hosted(folder)) for folder in folders]
        made = Site(hosts, proxy, server)
        for host in hosts:
            await ask(host, "web.kept", 0)
        await made.up()
        yield made


async def ask(host: Host, name: str, n: int, key: str = "") -> Any:
    entry = host.registry.find(name)
    call = host.call(entry.target, b'{"n":%d}' % n, Codec.JSON, Codec.JSON)
    call.idempotency_key = key
    reply = await settle(entry.service(call))
    return json.loads(bytes(reply.body))


async def load(host: Host, first: int) -> list[float]:
    """Sixteen callers for a while, half of what they ask new, all with keys; how long each call took, in seconds."""
    took: list[float] = []
    until = time.monotonic() + STRETCH_S

    async def caller(number: int) -> None:
        n = first + number * 10_000
        while (begun := time.monotonic()) < until:
            n += 1
            asked = n if n % 2 else number
            assert await ask(host, "web.twice", asked, f"{first}-{number}-{n}") == 2 * asked
            took.append(time.monotonic() - begun)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return sorted(took)


def p99(took: list[float]) -> float:
    return took[len(took) * 99 // 100]


Trouble = Callable[[Site], object]
TROUBLES: dict[str, tuple[Trouble, Trouble]] = {
    "killed, and restarted": (lambda site: site.server.kill(), lambda site: site.server.start()),
    "stopped": (lambda site: site.server.stop(), lambda site: site.server.go_on()),
    "full": (lambda site: site.server.fill(), lambda site: site.server.empty()),
    "partitioned": (lambda site: site.proxy.partition(), lambda site: site.proxy.heal()),
    "slow": (lambda site: slow(site, 2 * TIMEOUT_S), lambda site: slow(site, 0.0)),
    "cut off": (lambda site: site.proxy.cut(), lambda site: site.proxy.cut()),
}


def slow(site: Site, delay_s: float) -> None:
    site.proxy.delay_s = delay_s


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_under_load_no_call_fails_and_none_takes_much_longer(site: Site, trouble: str) -> None:
    begin, end = TROUBLES[trouble]
    one, two = site.hosts
    calm = await asyncio.gather(load(one, 1_000_000), load(two, 2_000_000))
    begin(site)
    try:
        during = await asyncio.gather(load(one, 3_000_000), load(two, 4_000_000))
    finally:
        end(site)
    after = await asyncio.gather(load(one, 5_000_000), load(two, 6_000_000))
    for before, then, later in zip(calm, during, after, strict=True):
        assert p99(then) <= p99(before) + TIMEOUT_S + NOISE_S
        assert p99(later) <= p99(before) + TIMEOUT_S + NOISE_S
    await site.up()
    for host in site.hosts:
        await soon(lambda host=host: pool_of(host, "web").idle and not store_of(host).state()["in_flight"])
    # Whole again: what one has computed, the other need not.
    assert await ask(one, "web.kept", 77) == 77
    cache = one.registry.find("web.kept").layers["cache"]
    await soon(lambda: cache.counts["shared_written"])


async def test_a_caller_alone_waits_for_the_store_once_and_not_in_each_layer(site: Site) -> None:
    (one, _), server = site.hosts, site.server
    assert await ask(one, "web.twice", 1, "first") == 2
    await asyncio.sleep(0.2)  # what was leased is used up
    server.stop()
    try:
        took: list[float] = []
        for number in range(8):
            begun = time.monotonic()
            assert await ask(one, "web.twice", number + 10, f"alone-{number}") == 2 * number + 20
            took.append(time.monotonic() - begun)
    finally:
        server.go_on()
    assert max(took) <= TIMEOUT_S + NOISE_S
    assert sum(each > TIMEOUT_S / 2 for each in took) <= 2
    await site.up()


async def passed(hosts: list[Host], seconds: float) -> int:
    """How many of very many calls were let through."""
    count = 0
    until = time.monotonic() + seconds

    async def caller(host: Host) -> None:
        nonlocal count
        while time.monotonic() < until:
            try:
                await ask(host, "web.few", 1)
                count += 1
            except ResourceExhausted as fault:
                await asyncio.sleep(min(fault.retry_after_s or 1.0, 0.01))

    await asyncio.gather(*(caller(host) for host in hosts for _ in range(8)))
    return count


async def test_two_hosts_hold_to_one_limit_and_each_to_its_own_without_the_store(site: Site) -> None:
    begun = time.monotonic()
    count = await passed(site.hosts, 1.5)
    together = LIMIT * (time.monotonic() - begun) + LIMIT + 1
    assert LIMIT <= count <= together
    site.proxy.partition()
    await asyncio.gather(*(ask(host, "web.kept", 5) for host in site.hosts))
    begun = time.monotonic()
    count = await passed(site.hosts, 1.5)
    apart = 2 * (LIMIT * (time.monotonic() - begun) + LIMIT + 1)
    assert LIMIT <= count <= apart
    site.proxy.heal()
    await site.up()


async def test_what_is_invalidated_while_the_hosts_are_apart_is_so_when_they_are_back(site: Site) -> None:
    one, two = site.hosts
    caches: list[Cache] = []
    for host in site.hosts:
        cache = host.registry.find("web.kept").layers["cache"]
        assert isinstance(cache, Cache)
        caches.append(cache)
    assert await ask(one, "web.kept", 9) == await ask(two, "web.kept", 9) == 9
    hits = caches[1].counts["hit"]
    assert await ask(two, "web.kept", 9) == 9
    assert caches[1].counts["hit"] == hits + 1
    site.proxy.partition()
    caches[0].invalidate(b'{"n":9}')
    misses = caches[0].counts["miss"]
    assert await ask(one, "web.kept", 9) == 9
    assert caches[0].counts["miss"] == misses + 1
    site.proxy.heal()
    site.proxy.cut()
    await site.up()
    await soon(lambda: caches[0].state()["shared"] == {"up": True, "owed": 0})
    await soon(lambda: caches[1].counts["invalidated"])
    misses = caches[1].counts["miss"]
    assert await ask(two, "web.kept", 9) == 9
    assert caches[1].counts["miss"] == misses + 1


async def test_a_key_that_one_host_knows_the_other_repeats_and_refuses_for_another_input(site: Site) -> None:
    one, two = site.hosts
    assert await ask(one, "web.twice", 4, "k") == 8
    layer = two.registry.find("web.twice").layers["idempotency"]
    with pytest.raises(Fault, match="another input"):
        await ask(two, "web.twice", 5, "k")
    assert await ask(two, "web.twice", 4, "k") == 8
    assert layer.counts["begun"] == 2
