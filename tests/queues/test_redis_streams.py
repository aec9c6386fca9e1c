import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import pytest

from dragoman.queues.broker import BrokerLost, Done
from dragoman.queues.message import Outgoing, Sending
from dragoman.queues.options import QueueOptions
from dragoman.queues.redis_scripts import SINCE
from dragoman.queues.redis_streams import RedisStreams
from dragoman.testing.broker_suite import CASES, Rig, nothing, take
from tests.valkey import Server

NUMBERS = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


class Ahead:
    """A clock that a test may put ahead."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s

    def now(self) -> float:
        return time.time() + self.ahead_s


class StreamsRig:
    lease_s = 0.5

    def __init__(self, server: Server, **options: Any) -> None:
        self.server = server
        self.clock = Ahead()
        self.names: list[str] = []
        self.brokers: list[RedisStreams] = []
        fields: dict[str, Any] = {"group": "g", "lease_s": self.lease_s, "to": "results", "keep": 0, **options}
        self.options = QueueOptions("orders", server.url, "orders", **fields)

    def broker(self) -> RedisStreams:
        self.names.append(f"host-{next(NUMBERS)}")
        self.brokers.append(RedisStreams(self.options, self.names[-1], self.clock))
        return self.brokers[-1]

    async def opened(self) -> RedisStreams:
        broker = self.broker()
        await broker.open()
        return broker

    async def abandon(self, broker: Any) -> None:
        broker.cut()

    async def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        with self.server.client() as client:
            client.xadd("orders", {"body": body, **headers})

    async def sent(self, place: str) -> Sequence[tuple[bytes, Mapping[str, str]]]:
        with self.server.client() as client:
            rows = [dict(fields) for _, fields in client.xrange(place)]
        return [(row.pop(b"body"), {name.decode(): value.decode() for name, value in row.items()}) for row in rows]

    def pending(self) -> list[dict[str, Any]]:
        with self.server.client() as client:
            return client.xpending_range("orders", "g", "-", "+", 100)

    async def close(self) -> None:
        for broker in self.brokers:
            await broker.close()


@pytest.fixture
async def rig(server: Server) -> AsyncIterator[StreamsRig]:
    with server.client() as client:
        client.flushall()
    made = StreamsRig(server)
    yield made
    await made.close()


def result(message: Any, body: bytes = b"r") -> Done:
    return Done(message, (Sending("results", Outgoing(body)),))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_it_does_what_brokers_promise(case: Callable[[Rig], Awaitable[None]], rig: StreamsRig) -> None:
    await case(rig)


async def test_a_message_that_is_finished_twice_has_one_result(rig: StreamsRig) -> None:
    broker = await rig.opened()
    for n in range(3):
        await rig.send(b"%d" % n, {})
    messages = await take(broker, 3)
    await broker.finish([result(messages[0])])
    await broker.finish([result(each) for each in messages])
    assert len(await rig.sent("results")) == 3
    assert rig.pending() == []


async def test_a_host_that_was_thought_dead_and_comes_back_doubles_no_result(rig: StreamsRig) -> None:
    paused, other = await rig.opened(), await rig.opened()
    await rig.send(b"1", {})
    (message,) = await take(paused, 1)
    (again,) = await take(other, 1)
    assert (again.id, again.deliveries) == (message.id, 2)
    await paused.extend([message])
    assert [row["consumer"] for row in rig.pending()] == [rig.names[1].encode()]
    await other.finish([result(again, b"other")])
    await paused.finish([result(message, b"paused")])
    assert [body for body, _ in await rig.sent("results")] == [b"other"]


async def test_nobody_waits_for_the_lease_of_a_host_that_is_gone_for_certain(server: Server) -> None:
    with server.client() as client:
        client.flushall()
    rig = StreamsRig(server, lease_s=1000.0)
    first = await rig.opened()
    for n in range(3):
        await rig.send(b"%d" % n, {})
    kept, *_ = await take(first, 3)
    await first.finish([Done(kept)])
    await rig.abandon(first)
    gone: list[str] = []
    brokers = [RedisStreams(rig.options, name, rig.clock, gone.__contains__) for name in ("host-a", "host-b", "host-c")]
    for broker in brokers:
        await broker.open()
    waiting = [asyncio.ensure_future(broker.receive(10)) for broker in brokers]
    await asyncio.sleep(0.1)
    assert not any(each.done() for each in waiting)
    gone.append(rig.names[0])
    done, _ = await asyncio.wait(waiting, timeout=10.0, return_when=asyncio.FIRST_COMPLETED)
    messages = [message for each in done for message in each.result()]
    assert sorted((message.body, message.deliveries) for message in messages) == [(b"1", 2), (b"2", 2)]
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    for broker in brokers:
        await broker.close()


async def test_attempts_made_here_are_known_to_whoever_comes_next(rig: StreamsRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    (message,) = await take(broker, 1)
    message.deliveries = 5
    await broker.extend([message])
    await rig.abandon(broker)
    (again,) = await take(await rig.opened(), 1)
    assert again.deliveries == 6


async def left_behind(rig: StreamsRig, count: int) -> None:
    """Messages that a host had in hand when it died."""
    broker = await rig.opened()
    for n in range(count):
        await rig.send(b"%d" % n, {})
    await take(broker, count)
    await rig.abandon(broker)


async def test_of_what_a_host_left_no_more_is_claimed_than_is_wanted(rig: StreamsRig) -> None:
    await left_behind(rig, 5)
    second = await rig.opened()
    for n in range(2):
        (message,) = await take(second, 1)
        assert (message.body, message.deliveries) == (b"%d" % n, 2)
        await second.finish([Done(message)])
        assert {row["consumer"] for row in rig.pending()} == {rig.names[0].encode()}
    # They have waited for longer than a lease by now, and nobody has had them meanwhile.
    assert {message.deliveries for message in await take(await rig.opened(), 3)} == {2}


async def test_of_what_a_host_left_that_is_gone_for_certain_no_more_is_claimed_than_is_wanted(rig: StreamsRig) -> None:
    await left_behind(rig, 5)
    options = dataclasses.replace(rig.options, lease_s=1000.0)
    second = RedisStreams(options, "host-second", rig.clock, lambda name: name == rig.names[0])
    await second.open()
    await take(second, 2)
    assert [row["consumer"] for row in rig.pending()].count(b"host-second") == 2
    await second.close()


async def test_an_attempt_that_failed_counts_for_whoever_is_given_it_back(rig: StreamsRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    (message,) = await take(broker, 1)
    await broker.give_back([message], 1.0)
    (again,) = await take(broker, 1)
    assert again.deliveries == 2


async def test_what_was_given_back_unused_is_not_counted(rig: StreamsRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    (message,) = await take(broker, 1)
    await broker.give_back([message])
    (again,) = await take(broker, 1)
    assert again.deliveries == 1
    await broker.close()
    (again,) = await take(await rig.opened(), 1)
    assert again.deliveries == 1


async def test_a_consumer_that_leaves_is_forgotten_and_so_are_those_that_died(rig: StreamsRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    await broker.finish([Done(message) for message in await take(broker, 1)])
    await broker.close()
    with rig.server.client() as client:
        (row,) = client.xinfo_consumers("orders", "g")
        assert row["name"].startswith(SINCE), "the group's own mark"


async def test_the_group_is_made_anew_where_the_server_has_forgotten_it_and_results_are_not_lost(
    rig: StreamsRig,
) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    messages = await take(broker, 1)
    with rig.server.client() as client:
        client.flushall()
    await broker.finish([result(messages[0])])
    assert len(await rig.sent("results")) == 1
    with pytest.raises(BrokerLost, match="NOGROUP"):
        await broker.receive(1)
    await broker.open()
    await rig.send(b"2", {})
    (message,) = await take(broker, 1)
    assert message.body == b"2"


async def test_what_the_server_has_forgotten_has_its_result_though_the_group_is_there_anew(rig: StreamsRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    (message,) = await take(broker, 1)
    with rig.server.client() as client:
        client.flushall()
    other = await rig.opened()
    await broker.open()
    await rig.send(b"2", {})
    (second,) = await take(other, 1)
    await broker.finish([result(message), result(message)])
    await other.finish([result(second, b"second")])
    await broker.finish([result(second, b"doubled")])
    assert [body for body, _ in await rig.sent("results")] == [b"r", b"r", b"second"]
    assert rig.pending() == []


async def test_what_comes_again_after_its_group_was_destroyed_has_one_result(rig: StreamsRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    (message,) = await take(broker, 1)
    with rig.server.client() as client:
        client.xgroup_destroy("orders", "g")
    await broker.finish([result(message, b"while there is none")])
    await broker.open()
    (again,) = await take(broker, 1)
    assert again.id == message.id
    await broker.finish([result(message, b"of the one before"), result(again)])
    assert [body for body, _ in await rig.sent("results")] == [b"r"]
    assert rig.pending() == []


async def test_of_what_goes_to_two_places_nothing_is_left_where_one_takes_nothing(rig: StreamsRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    (message,) = await take(broker, 1)
    done = Done(message, (Sending("dead", Outgoing(b"d")), Sending("faults", Outgoing(b"f"))))
    with rig.server.client() as client:
        client.set("faults", "something else")
        for _ in range(3):
            with pytest.raises(BrokerLost, match=r"WRONGTYPE .*\(faults\)"):
                await broker.finish([done])
        assert client.xlen("dead") == 0
        client.delete("faults")
    await broker.finish([done])
    assert (len(await rig.sent("dead")), len(await rig.sent("faults"))) == (1, 1)
    assert rig.pending() == []


async def test_an_entry_without_a_body_says_so(rig: StreamsRig) -> None:
    broker = await rig.opened()
    with rig.server.client() as client:
        client.xadd("orders", {"n": "1"})
    (message,) = await take(broker, 1)
    assert message.wrong == "the entry has no field body, only n"


async def test_what_is_sent_is_trimmed_to_about_what_is_kept(server: Server) -> None:
    with server.client() as client:
        client.flushall()
    rig = StreamsRig(server, keep=100)
    broker = await rig.opened()
    await broker.finish([Done(None, (Sending("results", Outgoing(b"%d" % n)),)) for n in range(1000)])
    assert 100 <= len(await rig.sent("results")) <= 300
    await rig.close()


async def test_large_results_go_in_portions(rig: StreamsRig) -> None:
    broker = await rig.opened()
    for n in range(20):
        await rig.send(b"%d" % n, {})
    messages = await take(broker, 20)
    await broker.finish([result(each, bytes(1_000_000)) for each in messages])
    assert len(await rig.sent("results")) == 20
    assert rig.pending() == []


async def test_entries_that_every_group_has_handled_are_dropped(server: Server) -> None:
    with server.client() as client:
        client.flushall()
        rig = StreamsRig(server, trim=True)
        broker = await rig.opened()
        client.xgroup_create("orders", "slow", "0")
        for n in range(1000):
            client.xadd("orders", {"body": str(n)})
        messages = await take(broker, 1000)
        await broker.finish([Done(message) for message in messages])
        rig.clock.ahead_s += 100.0
        await nothing(broker, 0.1)
        assert client.xlen("orders") == 1000, "the slow group has handled nothing"
        ((_, entries),) = client.xreadgroup("slow", "c", {"orders": ">"}, count=500)
        client.xack("orders", "slow", *(entry for entry, _ in entries[:300]))
        rig.clock.ahead_s += 100.0
        await nothing(broker, 0.1)
        assert 700 <= client.xlen("orders") <= 800, "up to what is pending there"
        await rig.close()


@pytest.mark.parametrize("place", ["results", "orders"])
async def test_a_place_that_is_something_else_is_told_and_nothing_is_lost(rig: StreamsRig, place: str) -> None:
    with rig.server.client() as client:
        client.set(place, "a string")
        broker = rig.broker()
        if place == "orders":
            with pytest.raises(BrokerLost, match="WRONGTYPE"):
                await broker.open()
            return
        await broker.open()
        await rig.send(b"1", {})
        messages = await take(broker, 1)
        with pytest.raises(BrokerLost, match="WRONGTYPE"):
            await broker.finish([result(messages[0])])
        assert len(rig.pending()) == 1
        client.delete(place)
        await broker.finish([result(messages[0])])
        assert rig.pending() == []


async def test_a_full_server_takes_nothing_and_loses_nothing(rig: StreamsRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    messages = await take(broker, 1)
    rig.server.fill()
    try:
        with pytest.raises(BrokerLost, match="OOM"):
            await broker.finish([result(messages[0])])
    finally:
        rig.server.empty()
    assert len(rig.pending()) == 1
    await broker.finish([result(messages[0])])
    assert len(await rig.sent("results")) == 1
    assert rig.pending() == []


async def test_a_server_that_hangs_or_dies_is_lost_and_found() -> None:
    server = Server()
    rig = StreamsRig(server)
    broker = await rig.opened()
    receiving = asyncio.ensure_future(broker.receive(1))
    server.kill()
    with pytest.raises(BrokerLost):
        await receiving
    with pytest.raises(BrokerLost, match="no connection to 127"):
        await broker.open()
    server.start()
    await broker.open()
    await rig.send(b"1", {})
    assert len(await take(broker, 1)) == 1
    await rig.close()
    server.close()


async def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.queues.redis_link.ANSWER_S", 0.2)
    server = Server()
    rig = StreamsRig(server)
    broker = await rig.opened()
    await rig.send(b"1", {})
    messages = await take(broker, 1)
    server.stop()
    try:
        with pytest.raises(BrokerLost, match="no answer within"):
            await broker.finish([result(messages[0])])
    finally:
        server.go_on()
    await broker.open()
    await broker.finish([result(messages[0])])
    assert len(await rig.sent("results")) == 1
    await rig.close()
    server.close()
