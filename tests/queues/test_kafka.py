import asyncio
import dataclasses
import gc
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, cast

import aiokafka  # pyright: ignore[reportMissingTypeStubs] - it has none
import pytest
from aiokafka import admin, errors  # pyright: ignore[reportMissingTypeStubs] - as above

from dragoman.core.call import Call, Reply
from dragoman.core.clock import SystemClock
from dragoman.queues.broker import Broker, Done
from dragoman.queues.consumer import Consumer, ended
from dragoman.queues.kafka import Kafka
from dragoman.queues.message import Outgoing, Sending
from dragoman.queues.options import QueueOptions
from dragoman.queues.records import connecting
from dragoman.testing.broker_suite import CASES, what_has_come_to_a_host_that_holds_goes_to_another
from dragoman.testing.broker_suite import Rig as Promised
from tests import kafka
from tests.queues.around import Function, Host
from tests.queues.suite import PATIENCE_S, BrokerSuite, Rig, opened, received, tick
from tests.valkey import until

pytestmark = [
    pytest.mark.needs("java", "mvn"),
    pytest.mark.timeout(240),
    # aiokafka leaves the sockets of connections that it gave up to the collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]
NUMBERS = count()


@pytest.fixture(scope="module")
def server() -> Iterator[kafka.Server]:
    server = kafka.Server()
    yield server
    server.close()


class TestKafka(BrokerSuite):
    SIZE_MAX = 1024 * 1024 + 1

    @pytest.fixture
    def rig(self, server: kafka.Server) -> Rig:
        return Rig(server, Kafka)


@pytest.fixture
def rig(server: kafka.Server) -> Rig:
    return Rig(server, Kafka)


async def send_keyed(rig: Rig, keys: str, each: int) -> None:
    """So many messages of each key, in order."""
    async with rig.opened(rig.named(to="in")) as broker:
        for number in range(each):
            done = [
                Done(None, (Sending(rig.options.source, Outgoing(b"%d" % number, {}, f"{key}{number}", key)),))
                for key in keys
            ]
            assert await broker.finish(done) == []


async def test_messages_of_one_key_are_handled_in_their_order_one_at_a_time_by_two_hosts(rig: Rig) -> None:
    running: Counter[str] = Counter()
    order: defaultdict[str, list[int]] = defaultdict(list)
    overlaps: list[str] = []

    async def work(host: Host, function: Function) -> None:
        """End each call a turn or more after it has begun."""
        while True:
            for pending, call in zip(function.pending[:], function.calls[:], strict=True):
                key = call.idempotency_key.rpartition(":")[2][0]
                function.pending.remove(pending)
                function.calls.remove(call)
                order[key].append(int(bytes(cast("bytes", call.body))))
                pending.resolve(Reply(b""))
                running[key] -= 1
            await asyncio.sleep(0.002)

    def begin(call: Call) -> None:
        key = call.idempotency_key.rpartition(":")[2][0]
        running[key] += 1
        if running[key] > 1:
            overlaps.append(key)

    options = dataclasses.replace(rig.named(source="in"), function="shop.price")
    async with rig.opened():
        pass
    await send_keyed(rig, "abcdef", 40)
    tasks: list[asyncio.Task[None]] = []
    consumers: list[tuple[Consumer, asyncio.Task[None]]] = []
    for _ in range(2):
        function = Function(begin)
        host = Host({"shop.price": function})
        host.places = 16
        consumer = Consumer(options, rig.broker(options), host.around())
        consumers.append((consumer, asyncio.create_task(consumer.run())))
        tasks += [asyncio.create_task(work(host, function)), asyncio.create_task(tick(host.clock))]
    try:
        await until(lambda: all(len(set(order[key])) == 40 for key in "abcdef"), PATIENCE_S)
    finally:
        for consumer, running_ in consumers:
            consumer.abort()
            await asyncio.wait_for(running_, 20.0)
        for task in tasks:
            await ended(task)
    for key in "abcdef":
        assert order[key] == sorted(order[key]) or order[key][len(order[key]) - 40 :] == list(range(40))
    assert overlaps == []


async def test_what_cannot_be_begun_is_let_go_of() -> None:
    broker = Kafka(QueueOptions("out", "kafka://127.0.0.1:1", to="out"), "me", SystemClock())
    broker._connecting = connecting("kafka://127.0.0.1:1")  # pyright: ignore[reportPrivateUsage] - a test looks inside
    with pytest.raises(errors.KafkaConnectionError):
        await broker._started()  # pyright: ignore[reportPrivateUsage] - as above
    gc.collect()  # a producer that was not closed says so


async def test_results_have_the_key_of_what_they_answer(rig: Rig) -> None:
    async with rig.reading(rig.options.to) as results:
        async with rig.opened(rig.named(to="out")) as broker:
            place = rig.options.to
            await broker.finish([Done(None, (Sending(place, Outgoing(b"1", {}, "1", "key")),))])
        assert (await received(results, 1))[0].lane == "key"


async def test_a_position_passes_no_message_that_is_in_hand(rig: Rig) -> None:
    async with rig.opened() as broker:
        await send_keyed(rig, "k", 6)
        messages = await received(broker, 6)
        await broker.finish([Done(each) for each in messages[2:]])
        await broker.close()
        async with rig.opened() as again:
            assert [each.body for each in await received(again, 6)] == [b"0", b"1", b"2", b"3", b"4", b"5"]
            await again.finish([Done(each) for each in messages[:2]])


async def test_a_member_that_joins_is_given_nothing_that_another_has_in_hand(rig: Rig) -> None:
    async with rig.opened() as first:
        await send_keyed(rig, "abcdefgh", 1)
        held = await received(first, 8)
        second = rig.broker()
        joining = asyncio.create_task(opened(second))
        reading = asyncio.create_task(read(first, []))
        await asyncio.wait({joining}, timeout=2.0)
        assert not joining.done(), "it waits for what is in hand"
        await first.finish([Done(each) for each in held])
        await joining
        seen: list[bytes] = []
        other = asyncio.create_task(read(second, seen))
        await send_keyed(rig, "abcdefgh", 2)
        await until(lambda: len(seen) > 2, PATIENCE_S)
        await ended(reading)
        await ended(other)
        await second.close()


async def read(broker: Broker, seen: list[bytes]) -> None:
    while True:
        messages = await broker.receive(10)
        seen += [each.body for each in messages]
        await broker.finish([Done(each) for each in messages])


async def test_past_a_bound_a_partition_is_not_read_on_while_its_oldest_is_in_hand(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.queues.kafka.AHEAD_MAX", 20)
    monkeypatch.setattr("dragoman.queues.kafka.AHEAD_GO_ON", 10)
    async with rig.opened() as broker:
        await send_keyed(rig, "k", 60)
        (oldest,) = await received(broker, 1)
        seen: list[bytes] = []
        reading = asyncio.create_task(read(broker, seen))
        await asyncio.wait({reading}, timeout=2.0)
        assert 19 <= len(seen) < 40
        await broker.finish([Done(oldest)])
        await until(lambda: len(seen) == 59, PATIENCE_S)
        await ended(reading)


class Members:
    """Hosts, and somebody else's program beside them. Topics have one partition: results are in their order."""

    lease_s = 1.0

    def __init__(self, url: str, producer: Any, reader: Any) -> None:
        self.producer, self.reader = producer, reader
        self.brokers: list[Kafka] = []
        self.source = f"orders-{next(NUMBERS)}"
        self.options = QueueOptions("orders", url, self.source, to="results", lease_s=self.lease_s)

    def broker(self) -> Broker:
        self.brokers.append(Kafka(self.options, f"host-{len(self.brokers)}", SystemClock()))
        return self.brokers[-1]

    async def abandon(self, broker: Broker) -> None:
        """Stop its heartbeats, and end its connections."""
        inside = cast("Any", broker)._consumer
        inside._coordinator._coordination_task.cancel()
        await asyncio.wait([inside._coordinator._coordination_task])
        await inside._coordinator._stop_heartbeat_task()
        inside._coordinator._heartbeat_task = None
        await inside._client.close()

    async def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        said = [(name, value.encode()) for name, value in headers.items()]
        await self.producer.send_and_wait(self.source, body, headers=said)

    async def sent(self, place: str) -> Sequence[tuple[bytes, Mapping[str, str]]]:
        found: list[tuple[bytes, dict[str, str]]] = []
        topic = aiokafka.TopicPartition(place, 0)
        self.reader.seek(topic, self.begun)
        while await self.reader.position(topic) < (await self.reader.end_offsets([topic]))[topic]:
            batch = (await self.reader.getmany(topic, timeout_ms=1000)).get(topic, ())
            found += [(each.value, {name: value.decode() for name, value in each.headers}) for each in batch]
        return found

    async def begin(self) -> None:
        """Make its topics, and note what is there already."""
        client: Any = admin.AIOKafkaAdminClient(bootstrap_servers=self.options.url.removeprefix("kafka://"))
        await client.start()
        await client.create_topics([admin.NewTopic(name, 1, 1) for name in (self.source, "results")])
        await client.close()
        topic = aiokafka.TopicPartition("results", 0)
        self.reader.assign([topic])
        self.begun = (await self.reader.end_offsets([topic]))[topic]


@pytest.fixture
async def members(server: kafka.Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Members]:
    monkeypatch.setattr("dragoman.queues.kafka.SESSION_S_MIN", 0.5)
    address = server.url.removeprefix("kafka://")
    async with (
        cast("Any", aiokafka.AIOKafkaProducer(bootstrap_servers=address)) as producer,
        cast("Any", aiokafka.AIOKafkaConsumer(bootstrap_servers=address)) as reader,
    ):
        members = Members(server.url, producer, reader)
        await members.begin()
        yield members
        for broker in members.brokers:
            await broker.close()


@pytest.mark.parametrize(
    "case",
    # A partition is one host's until that leaves.
    [case for case in CASES if case is not what_has_come_to_a_host_that_holds_goes_to_another],
    ids=lambda case: case.__name__,
)
async def test_it_does_what_brokers_promise(case: Callable[[Promised], Awaitable[None]], members: Members) -> None:
    await case(members)
