from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from dragoman.core.call import Call, Codec, Reply
from dragoman.core.fault import (
    Breach,
    DeadlineExceeded,
    FailedPrecondition,
    Fault,
    InvalidArgument,
    Overloaded,
    Started,
)
from dragoman.core.service import Pending
from dragoman.policies.idempotency import Idempotency, IdempotencyOptions
from dragoman.policies.ledger import Told
from dragoman.policies.pledge import BYTES_MAX, SLACK_S, dump, load
from dragoman.policies.surroundings import Surroundings
from dragoman.stores.options import StoreOptions
from dragoman.stores.valkey import Valkey
from tests.policies.world import Pool, aim, run
from tests.valkey import Server, until


class Host:
    """One host of several, and its worker."""

    def __init__(self, store: Valkey) -> None:
        self.store = store
        self.pool = Pool()
        options = IdempotencyOptions(ttl_s=60.0, shared=True)
        self.around = Surroundings.here()
        self.layer = Idempotency(options, self.around, store, "s.f")
        self.service = self.layer(self.pool)

    def send(self, key: str = "k", body: bytes = b"{}", within_s: float = 30.0) -> Pending:
        now = self.around.clock.monotonic()
        call = Call(aim(), body, deadline=now + within_s, arrived_at=now)
        call.idempotency_key, call.caller = key, "a"
        return run(self.service, call)

    async def began(self, calls: int = 1) -> Pending:
        await until(lambda: len(self.pool.calls) == calls)
        self.pool.calls[-1].dispatched_at = self.around.clock.monotonic()
        return self.pool.pendings[-1]


@pytest.fixture
async def hosts(server: Server) -> AsyncGenerator[list[Host]]:
    stores = [Valkey(StoreOptions(server.url, timeout_s=5.0)) for _ in range(2)]
    for store in stores:
        store.start()
        assert await store.ready(10.0)
    yield [Host(store) for store in stores]
    for store in stores:
        await store.close()


async def fault_of(pending: Pending) -> Fault:
    with pytest.raises(Fault) as raised:
        await pending
    return raised.value


async def settled(server: Server) -> None:
    """Until the store knows what came of the one call."""
    with server.client() as other:
        await until(lambda: all_known(other))


def all_known(other: Any) -> bool:
    names: list[bytes] = other.keys()
    told = [load(other.get(name)) for name in names]
    return bool(told) and all(each is not None and bool(each.answer or each.why) for each in told)


async def test_another_host_repeats_the_answer(hosts: list[Host], server: Server) -> None:
    one, two = hosts
    first = one.send()
    (await one.began()).resolve(Reply(b"\x00\xff", Codec.MSGPACK))
    await first
    await settled(server)
    again = await two.send()
    assert (again.body, again.codec) == (b"\x00\xff", Codec.MSGPACK)
    assert not two.pool.calls
    assert isinstance(await fault_of(two.send(body=b"[]")), FailedPrecondition)


async def test_another_host_waits_for_a_call_that_runs(hosts: list[Host]) -> None:
    one, two = hosts
    first = one.send()
    running = await one.began()
    second = two.send()
    assert isinstance(await fault_of(two.send(body=b"[]")), FailedPrecondition)
    assert not second.done
    running.resolve(Reply(b"1"))
    assert (await first).body == b"1"
    assert (await second).body == b"1"
    assert not two.pool.calls
    assert not two.layer.running


async def test_another_input_is_refused_by_another_host_while_it_runs(hosts: list[Host]) -> None:
    one, two = hosts
    one.send()
    await one.began()
    fault = await fault_of(two.send(body=b"[]"))
    assert isinstance(fault, FailedPrecondition)
    assert "with another input" in fault.detail
    assert not two.layer.running


async def test_a_fault_is_repeated_on_another_host_with_all_it_says(hosts: list[Host], server: Server) -> None:
    one, two = hosts
    first = one.send()
    said = InvalidArgument("no", started=Started.YES, errors=(Breach("/a", "is odd"),), function="s.f")
    (await one.began()).fail(said)
    await fault_of(first)
    await settled(server)
    fault = await fault_of(two.send())
    assert type(fault) is InvalidArgument
    assert (fault.detail, fault.started, fault.errors, fault.function) == ("no", Started.YES, said.errors, "s.f")


async def test_a_call_that_never_started_frees_its_key_for_all(hosts: list[Host]) -> None:
    one, two = hosts
    first, second = one.send(), two.send()
    await until(lambda: len(one.pool.calls) + len(two.pool.calls) == 1)
    host, other = (one, two) if one.pool.calls else (two, one)
    host.pool.pendings[0].fail(Overloaded("full"))
    (await other.began()).resolve(Reply(b"1"))
    outcomes = await asyncio.gather(first, second, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Overloaded", "Reply"]


async def test_a_host_that_died_leaves_the_key_free_after_the_calls_time(hosts: list[Host], server: Server) -> None:
    one, two = hosts
    one.send(within_s=0.1)
    await one.began()
    with server.client() as other:
        (key,) = other.keys()
        assert SLACK_S * 1000 - 1000 < other.pttl(key) <= SLACK_S * 1000 + 100
        waiting = two.send()
        await asyncio.sleep(0)
        assert not two.pool.calls
        other.pexpire(key, 1)
    (await two.began()).resolve(Reply(b"2"))
    assert (await waiting).body == b"2"


async def test_who_waits_for_another_host_waits_no_longer_than_its_deadline(hosts: list[Host]) -> None:
    one, two = hosts
    one.send()
    await one.began()
    fault = await fault_of(two.send(within_s=0.2))
    assert isinstance(fault, DeadlineExceeded)
    assert not two.layer.running


async def test_who_leaves_while_the_store_is_asked_frees_the_key(hosts: list[Host], server: Server) -> None:
    one, two = hosts
    left = one.send()
    left.cancel()
    assert left.fault is not None
    assert left.fault.started is Started.NO
    with server.client() as other:
        await until(lambda: not other.keys() and not one.layer.running)
    two.send()
    await two.began()
    assert not one.pool.calls


async def test_without_a_store_a_host_knows_its_own_keys(hosts: list[Host], server: Server) -> None:
    one, _ = hosts
    await one.store.close()
    first = one.send()
    assert len(one.pool.calls) == 1, "without a wait"
    one.pool.pendings[0].resolve(Reply(b"1"))
    assert (await first).body == b"1"
    assert (await one.send()).body == b"1"
    assert one.layer.counts["lost"] == 1, "a key that no other host knows"


async def test_a_store_that_is_lost_on_the_way_fails_nothing(hosts: list[Host]) -> None:
    one, _ = hosts
    first = one.send()
    await one.store.close()
    (await one.began()).resolve(Reply(b"1"))
    assert (await first).body == b"1"
    assert one.layer.counts["lost"] == 1


async def test_an_answer_too_large_to_tell_is_repeated_here_and_refused_there(
    hosts: list[Host], server: Server
) -> None:
    one, two = hosts
    first = one.send()
    (await one.began()).resolve(Reply(bytes(BYTES_MAX)))
    await first
    await settled(server)
    assert len((await one.send()).body) == BYTES_MAX
    fault = await fault_of(two.send())
    assert isinstance(fault, FailedPrecondition)
    assert "another host has it" in fault.detail


@pytest.mark.parametrize(
    "value", [b"", b"\xc1", b"\x01", b"\x93\x01\xa1x\xc0", b"\x94\x01\xc4\x01x\xc0\x92\x63\xc4\x00", None]
)
def test_what_cannot_be_read_is_as_nothing(value: bytes | None) -> None:
    assert load(value) is None


@pytest.mark.parametrize("answer", [Reply(b"1", Codec.BYTES), Overloaded("full"), None])
def test_what_is_written_is_read(answer: Reply | Fault | None) -> None:
    found = load(dump(Told(b"print", answer, "" if answer else "why")))
    assert found is not None
    assert found.body == b"print"
    assert type(found.answer) is (type(answer) if not isinstance(answer, Overloaded) else Overloaded.__base__)
    assert found.why == ("" if answer else "why")
