import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, cast

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dragoman.core.clock import SystemClock
from dragoman.queues.broker import Broker, BrokerLost, Done
from dragoman.queues.message import Outgoing, Sending
from dragoman.queues.mqtt import Mqtt
from dragoman.queues.options import QueueOptions
from dragoman.testing.broker_suite import (
    CASES,
    what_a_host_has_when_it_closes_goes_to_another,
    what_has_come_to_a_host_that_holds_goes_to_another,
)
from dragoman.testing.broker_suite import Rig as Promised
from tests import mosquitto
from tests.queues.suite import BrokerSuite, Rig, nothing_more, received
from tests.valkey import until

LASTING = (what_a_host_has_when_it_closes_goes_to_another, what_has_come_to_a_host_that_holds_goes_to_another)
"""What a member has is its own until it is back."""
pytestmark = [pytest.mark.needs("mosquitto"), pytest.mark.timeout(240)]
NUMBERS = count()
CONNECT, SUBSCRIBE, UNSUBSCRIBE = 0x10, 0x82, 0xA2
"""The first byte of such a packet; the second one says how long it is, up to 127 bytes."""


@pytest.fixture(scope="module")
def server() -> Iterator[mosquitto.Server]:
    server = mosquitto.Server()
    yield server
    server.close()


class TestMQTT(BrokerSuite):
    SIZE_MAX = mosquitto.SIZE_MAX

    @pytest.fixture
    def rig(self, server: mosquitto.Server) -> Rig:
        return Rig(server, Mqtt)

    def prepare(self, rig: Rig) -> None:
        """Mosquitto 2.0 has forgotten who shares a subscription when it is started again, until they say it anew."""
        rig.url += "?shared=no"


@pytest.fixture
def rig(server: mosquitto.Server) -> Rig:
    return Rig(server, Mqtt)


async def test_where_the_answer_goes_and_what_it_belongs_to_come_with_a_message(rig: Rig) -> None:
    asked: list[object] = []
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = "answers/1"
    properties.CorrelationData = b"\xff\x00"
    async with (
        rig.opened() as broker,
        aiomqtt.Client("127.0.0.1", rig.server.port, protocol=aiomqtt.ProtocolVersion.V5) as client,
    ):
        await client.subscribe("answers/1", qos=1)
        await client.publish(rig.options.source, b"{}", qos=1, properties=properties)
        (message,) = await received(broker, 1)
        headers = {"correlation-id": message.headers["correlation-id"]}
        answer = Outgoing(b"[]", headers, "a")
        await broker.finish([Done(message, (Sending(message.headers["reply-to"], answer),))])
        async for each in client.messages:
            asked.append((each.payload, getattr(each.properties, "CorrelationData", b"")))
            break
    assert asked == [(b"[]", b"\xff\x00")]


async def test_acknowledgements_leave_in_the_order_in_which_messages_came(rig: Rig) -> None:
    async with rig.opened() as broker:
        await rig.send(*(Outgoing(b"%d" % number, {}, str(number)) for number in range(4)))
        messages = await received(broker, 4)
        await broker.finish([Done(each) for each in messages[1:]])
        await broker.close()
        async with rig.opened() as again:
            messages = await received(again, 4)
            assert [each.body for each in messages] == [b"0", b"1", b"2", b"3"]
            await again.finish([Done(each) for each in messages])


async def test_processes_of_one_machine_are_members_with_names_of_their_own_that_they_keep(rig: Rig) -> None:
    async with rig.opened() as first:
        await rig.send(Outgoing(b"held", {}, "held"))
        await received(first, 1)
        async with rig.opened() as second:
            assert await nothing_more(second)
        await first.close()
        async with rig.opened() as third:
            (message,) = await received(third, 1)
            assert (message.id, message.deliveries) == ("held", 0)
            await third.finish([Done(message)])


async def test_what_nobody_acknowledges_is_handled_as_long_as_there_is_room(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.queues.mqtt.UNSURE_MAX", 3)
    async with (
        rig.opened() as broker,
        aiomqtt.Client("127.0.0.1", rig.server.port, protocol=aiomqtt.ProtocolVersion.V5) as client,
    ):
        for number in range(10):
            await client.publish(rig.options.source, b"%d" % number, qos=0)
        await client.publish(rig.options.source, b"sure", qos=1)
        waiting = cast("Any", broker)._client
        assert waiting is not None
        await until(lambda: any(each.payload == b"sure" for each in waiting.received))
        messages = await received(broker, 4)
        assert [each.body for each in messages] == [b"0", b"1", b"2", b"sure"]
        assert await broker.finish([Done(each) for each in messages]) == []


async def test_what_mqtt_has_no_form_for_is_told(rig: Rig) -> None:
    async with rig.opened(rig.named(to="x")) as broker:
        place = rig.named(to="x").to
        for topic, headers in ((place, {"k": "v" * 70_000}), (f"{place}/#", {})):
            (unfit,) = await broker.finish([Done(None, (Sending(topic, Outgoing(b"", headers, "1")),))])
            assert "MQTT" in unfit.fault.detail


async def test_a_server_that_lets_nobody_read_is_told_each_time() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                kind, size = await reader.readexactly(2)
                said = await reader.readexactly(size)
                if kind == CONNECT:
                    writer.write(bytes((0x20, 3, 0, 0, 0)))
                elif kind == SUBSCRIBE:
                    writer.write(bytes((0x90, 4, *said[:2], 0, 0x87)))
                elif kind == UNSUBSCRIBE:
                    writer.write(bytes((0xB0, 4, *said[:2], 0, 0x11)))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        broker = Mqtt(QueueOptions("orders", f"mqtt://127.0.0.1:{port}", "in"), "", SystemClock())
        for _ in range(2):
            with pytest.raises(BrokerLost, match="may not read in: Not authorized"):
                await broker.open()
        await broker.close()


class Members:
    """Hosts, and somebody else's program beside them."""

    lease_s = 0.5

    def __init__(self, server: mosquitto.Server, others: aiomqtt.Client) -> None:
        self.server = server
        self.others = others
        self.found: list[tuple[bytes, dict[str, str]]] = []
        self.brokers: list[Mqtt] = []
        self.source = f"orders-{next(NUMBERS)}"
        self.options = QueueOptions(self.source, server.url, self.source, lease_s=self.lease_s)

    def broker(self) -> Mqtt:
        self.brokers.append(Mqtt(self.options, "", SystemClock()))
        return self.brokers[-1]

    async def abandon(self, broker: Broker) -> None:
        inside = cast("Any", broker)
        # MQTT confirms no acknowledgement, and one that is still on its way may be lost: what this answers comes after.
        await inside._client.unsubscribe("nothing")
        inside._client._client.socket().shutdown(socket.SHUT_RDWR)
        inside._slot.close()

    async def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        if headers:
            properties.UserProperty = list(headers.items())
        await self.others.publish(self.source, body, qos=1, properties=properties)

    async def sent(self, place: str) -> Sequence[tuple[bytes, Mapping[str, str]]]:
        while len(self.others.messages):
            message = await anext(aiter(self.others.messages))
            user: dict[str, str] = dict(getattr(message.properties, "UserProperty", ()))
            correlation: bytes = getattr(message.properties, "CorrelationData", b"")
            self.found.append((message.payload, user | {"correlation-id": correlation.decode()}))
        return self.found


@pytest.fixture
async def members(server: mosquitto.Server) -> AsyncIterator[Members]:
    async with aiomqtt.Client("127.0.0.1", server.port, protocol=aiomqtt.ProtocolVersion.V5) as others:
        await others.subscribe("results", qos=1)
        members = Members(server, others)
        yield members
        for broker in members.brokers:
            await broker.close()


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case not in LASTING],
    ids=lambda case: case.__name__,
)
async def test_it_does_what_brokers_promise(case: Callable[[Promised], Awaitable[None]], members: Members) -> None:
    await case(members)
