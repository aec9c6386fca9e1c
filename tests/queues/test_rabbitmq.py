import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, cast

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq import spec

import dragoman
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Started
from dragoman.queues.broker import Broker, BrokerLost, Done
from dragoman.queues.message import Outgoing, Sending
from dragoman.queues.options import QueueOptions
from dragoman.queues.rabbitmq import RabbitMq
from dragoman.testing.broker_suite import CASES
from dragoman.testing.broker_suite import Rig as Promised
from tests import rabbitmq
from tests.queues.around import Odd
from tests.queues.suite import BrokerSuite, Rig, received, sent

pytestmark = [pytest.mark.needs("rabbitmq-server"), pytest.mark.timeout(240)]
NUMBERS = count()


@pytest.fixture(scope="module")
def server() -> Iterator[rabbitmq.Server]:
    server = rabbitmq.Server()
    yield server
    server.close()


class TestRabbitMq(BrokerSuite):
    SIZE_MAX = rabbitmq.SIZE_MAX + 1

    @pytest.fixture
    def rig(self, server: rabbitmq.Server) -> Rig:
        return Rig(server, RabbitMq)


@pytest.fixture
def rig(server: rabbitmq.Server) -> Rig:
    return Rig(server, RabbitMq)


async def test_deliveries_count_unless_a_message_is_given_back_at_once(rig: Rig) -> None:
    async with rig.opened() as broker:
        await rig.send(Outgoing(b"a", {"k": "v"}, "id-a"))
        for expected in (1, 2, 3):
            (message,) = await received(broker, 1)
            assert message.deliveries == expected
            await broker.give_back([message], 1.0)
        for _ in range(2):
            (message,) = await received(broker, 1)
            headers = {"k": "v", "content-type": "application/json"}
            assert (message.id, message.deliveries, dict(message.headers)) == ("id-a", 4, headers)
            await broker.give_back([message])


async def test_what_the_server_drops_goes_to_the_same_dead_letters(rig: Rig) -> None:
    async with rig.opened(), rig.reading(rig.options.dead) as dead:
        connection = await aio_pika.connect(rig.server.url)
        async with connection, connection.channel() as channel:
            message = aio_pika.Message(b"late", expiration=0.0)
            queue = await channel.get_queue(rig.options.source)
            await channel.default_exchange.publish(aio_pika.Message(b"refused"), rig.options.source)
            await channel.default_exchange.publish(message, rig.options.source)
            refused = await queue.get()
            await refused.reject(requeue=False)
        assert {each.body for each in await received(dead, 2)} == {b"late", b"refused"}


async def test_a_queue_that_was_made_a_moment_before_a_crash_has_what_was_sent_to_it(rig: Rig) -> None:
    place = rig.named(to="in").to
    async with dragoman.producer(rig.url) as producer:
        await producer.send(place, 1)
        rig.server.kill()
        await asyncio.to_thread(rig.server.start)
        assert await sent(producer, place, "2") <= {Started.NO}
    async with rig.reading(place) as reader:
        assert [each.body for each in await received(reader, 2)] == [b"1", b'"2"']


async def test_a_place_may_be_an_exchange(rig: Rig) -> None:
    connection = await aio_pika.connect(rig.server.url)
    async with connection, connection.channel() as channel:
        exchange = await channel.declare_exchange("events/all", "topic", durable=True)
        queue = await channel.declare_queue("", exclusive=True)
        await queue.bind(exchange, "order.*")
        options = rig.named(to="x")
        async with rig.opened(dataclasses.replace(options, to="/exchanges/events%2Fall/order.done")) as broker:
            sending = Sending("/exchanges/events%2Fall/order.done", Outgoing(b"{}", {}, "1"))
            assert await broker.finish([Done(None, (sending,))]) == []
        message = await queue.get()
        assert (message.body, message.routing_key) == (b"{}", "order.done")
        await message.ack()


async def test_a_place_that_is_gone_is_made_anew_and_nothing_in_hand_is_lost(rig: Rig) -> None:
    async with rig.opened() as broker:
        await rig.send(Outgoing(b"a"))
        (message,) = await received(broker, 1)
        connection = await aio_pika.connect(rig.server.url)
        async with connection, connection.channel() as channel:
            await channel.queue_delete(rig.options.to)
        done = [Done(message, (Sending(rig.options.to, Outgoing(b"r", {}, "r")),))]
        with pytest.raises(BrokerLost, match="NO_ROUTE"):
            await broker.finish(done)
        await broker.open()
        assert await broker.finish(done) == []
        async with rig.reading(rig.options.to) as results:
            assert (await received(results, 1))[0].body == b"r"


async def test_a_queue_that_is_deleted_while_it_is_read_is_lost_and_made_anew(rig: Rig) -> None:
    async with rig.opened() as broker:
        reading = asyncio.ensure_future(broker.receive(1))
        await asyncio.sleep(0)
        connection = await aio_pika.connect(rig.server.url)
        async with connection, connection.channel() as channel:
            while not (await channel.declare_queue(rig.options.source, passive=True)).declaration_result.consumer_count:
                pass
            await channel.queue_delete(rig.options.source)
        with pytest.raises(BrokerLost, match="deleted"):
            await reading
        await broker.open()
        await rig.send(Outgoing(b"a"))
        assert (await received(broker, 1))[0].body == b"a"


async def test_what_amqp_has_no_form_for_is_told(rig: Rig) -> None:
    async with rig.opened(rig.named(to="x")) as broker:
        place = rig.named(to="x").to
        for headers in ({"n" * 300: "v"}, {"k": "v" * 200_000}):
            (unfit,) = await broker.finish([Done(None, (Sending(place, Outgoing(b"", headers, "1")),))])
            assert "AMQP" in unfit.fault.detail


async def test_the_server_sends_no_more_ahead_than_there_was_room_for(rig: Rig) -> None:
    async with rig.opened() as broker:
        await rig.send(*(Outgoing(b"%d" % number) for number in range(50)))
        first = await received(broker, 3)
        connection = await aio_pika.connect(rig.server.url)
        async with connection, connection.channel() as channel:
            queue = await channel.declare_queue(rig.options.source, passive=True)
            while queue.declaration_result.message_count != 47:
                queue = await channel.declare_queue(rig.options.source, passive=True)
        await broker.finish([Done(each) for each in first])
        assert len(await received(broker, 47)) == 47


async def test_what_was_sent_ahead_to_a_host_that_stops_is_not_counted(rig: Rig) -> None:
    async with rig.opened() as first, rig.opened() as second:
        await rig.send(Outgoing(b"held"))
        (held,) = await first.receive(10)
        await rig.send(*(Outgoing(b"%d" % number, {}, str(number)) for number in range(5)))
        connection = await aio_pika.connect(rig.server.url)
        async with connection, connection.channel() as channel:
            while (await channel.declare_queue(rig.options.source, passive=True)).declaration_result.message_count:
                pass
        await first.hold()
        assert {(each.id, each.deliveries) for each in await received(second, 5)} == {(str(n), 1) for n in range(5)}
        assert await first.finish([Done(held)]) == []


async def test_what_no_text_says_stops_nothing(rig: Rig) -> None:
    async with rig.opened() as broker:
        connection = await aio_pika.connect(rig.server.url)
        async with connection, connection.channel() as channel:
            underlay = await channel.get_underlay_channel()
            odd = spec.Basic.Properties(message_id="1", headers={Odd(b"k\xff"): "v"})
            odd.correlation_id = Odd(b"\xfe\x01")
            await underlay.basic_publish(b"odd", routing_key=rig.options.source, properties=odd)
            await underlay.basic_publish(b"good", routing_key=rig.options.source)
        first, second = await received(broker, 2)
        assert (first.body, first.id, second.body, second.deliveries) == (b"odd", "1", b"good", 1)
        assert (first.headers["correlation-id"], first.headers["k\\xff"]) == ("\\xfe\x01", "v")
        letter = Outgoing(first.body, first.headers, "letter")
        assert await broker.finish([Done(first, (Sending(rig.options.dead, letter),)), Done(second)]) == []


class Members:
    """Hosts, and somebody else's program beside them."""

    lease_s = 1.0

    def __init__(self, server: rabbitmq.Server, others: AbstractChannel) -> None:
        self.others = others
        self.brokers: list[RabbitMq] = []
        self.found: list[tuple[bytes, dict[str, str]]] = []
        self.source = f"orders-{next(NUMBERS)}"
        self.options = QueueOptions("orders", server.url, self.source, to="results", lease_s=self.lease_s)

    def broker(self) -> RabbitMq:
        self.brokers.append(RabbitMq(self.options, f"host-{len(self.brokers)}", SystemClock()))
        return self.brokers[-1]

    async def abandon(self, broker: Broker) -> None:
        connection = cast("Any", broker)._connection
        await connection.transport.connection.close(ConnectionResetError("cut"))

    async def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        message = aio_pika.Message(body, headers=dict(headers))
        await self.others.default_exchange.publish(message, self.source)

    async def sent(self, place: str) -> Sequence[tuple[bytes, Mapping[str, str]]]:
        queue = await self.others.get_queue(place)
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            headers = {name: str(value) for name, value in message.headers.items()}
            self.found.append((message.body, headers | {"correlation-id": message.correlation_id or ""}))
        return self.found


@pytest.fixture
async def members(server: rabbitmq.Server) -> AsyncIterator[Members]:
    connection = await aio_pika.connect(server.url)
    async with connection, connection.channel() as channel:
        members = Members(server, channel)
        yield members
        for broker in members.brokers:
            await broker.close()
        await channel.queue_delete("results")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_it_does_what_brokers_promise(case: Callable[[Promised], Awaitable[None]], members: Members) -> None:
    await case(members)
