import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, cast

import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

import dragoman
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Started, Unavailable
from dragoman.queues.broker import BrokerLost, Done
from dragoman.queues.consumer import ended
from dragoman.queues.jetstream import JetStream, plain
from dragoman.queues.message import Message, Outgoing, Sending
from dragoman.queues.options import QueueOptions
from dragoman.testing.broker_suite import CASES, Rig, nothing, take
from tests.nats import Server
from tests.queues.suite import sent
from tests.valkey import until

pytestmark = pytest.mark.needs("nats-server")

NUMBERS = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


async def connected(url: str) -> Any:
    """A client of somebody else, whose types are not whole."""
    client: Any = Client()
    await client.connect(url)
    return client


class JetStreamRig:
    lease_s = 1.0

    def __init__(self, server: Server, **options: Any) -> None:
        self.server = server
        self.number = next(NUMBERS)
        self.brokers: list[JetStream] = []
        fields: dict[str, Any] = {"group": "g", "lease_s": self.lease_s, "to": self.place("results"), **options}
        self.options = QueueOptions("orders", server.url, f"orders.{self.number}", **fields)

    def place(self, name: str) -> str:
        return f"{name}.{self.number}"

    def broker(self) -> Any:
        self.brokers.append(JetStream(self.options, f"host-{next(NUMBERS)}", SystemClock()))
        return Placed(self.brokers[-1], self.place)

    async def opened(self) -> Any:
        broker = self.broker()
        await broker.open()
        return broker

    async def abandon(self, broker: Any) -> None:
        await broker.cut()

    async def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        client = await connected(self.server.url)
        await client.jetstream().publish(self.options.source, body, headers={k.title(): v for k, v in headers.items()})
        await client.close()

    async def sent(self, place: str) -> Sequence[tuple[bytes, Mapping[str, str]]]:
        client = await connected(self.server.url)
        stream = client.jetstream()
        name = plain(self.place(place))
        state = (await stream.stream_info(name)).state
        found: list[tuple[bytes, Mapping[str, str]]] = []
        for sequence in range(state.first_seq, state.last_seq + 1):
            message = await stream.get_msg(name, sequence)
            found.append((message.data or b"", message.headers or {}))
        await client.close()
        return found

    async def close(self) -> None:
        for broker in self.brokers:
            await broker.close()


class Placed:
    """A broker whose places are named for one case."""

    def __init__(self, broker: JetStream, place: Callable[[str], str]) -> None:
        self._broker = broker
        self._place = place
        self.delays = broker.delays
        self.open, self.close, self.cut = broker.open, broker.close, broker.cut
        self.receive, self.extend, self.give_back = broker.receive, broker.extend, broker.give_back
        self.hold = broker.hold

    async def finish(self, done: Sequence[Done]) -> Any:
        return await self._broker.finish(
            [
                Done(each.message, tuple(Sending(self._place(sent.place), sent.outgoing) for sent in each.sendings))
                for each in done
            ]
        )


@pytest.fixture
async def rig(server: Server) -> AsyncIterator[JetStreamRig]:
    made = JetStreamRig(server)
    yield made
    await made.close()


def result(message: Message | None, body: bytes = b"r", name: str = "") -> Done:
    return Done(message, (Sending("results", Outgoing(body, {}, name)),))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_it_does_what_brokers_promise(case: Callable[[Rig], Awaitable[None]], rig: JetStreamRig) -> None:
    await case(rig)


async def test_a_message_that_looks_like_an_answer_of_the_server_is_one_all_the_same(rig: JetStreamRig) -> None:
    broker = await rig.opened()
    await rig.send(b"", {"status": "404"})
    (message,) = await take(broker, 1)
    assert (message.body, message.headers["status"]) == (b"", "404")
    await broker.finish([Done(message)])


async def test_what_is_sent_again_under_its_id_is_kept_once(rig: JetStreamRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    (message,) = await take(broker, 1)
    await broker.finish([result(message, name="a")])
    await broker.finish([result(message, name="a"), result(None, b"other", "b")])
    assert [body for body, _ in await rig.sent("results")] == [b"r", b"other"]


async def test_a_message_comes_again_after_its_delay(rig: JetStreamRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {})
    (message,) = await take(broker, 1)
    await broker.give_back([message], 0.5)
    await nothing(broker, 0.2)
    (again,) = await take(broker, 1)
    assert (again.id, again.deliveries) == (message.id, 2)


async def test_attributes_of_events_are_percent_encoded_in_headers(rig: JetStreamRig) -> None:
    broker = await rig.opened()
    await rig.send(b"1", {"ce-id": "7", "ce-subject": "na%C3%AFve%20one"})
    (message,) = await take(broker, 1)
    assert message.headers["ce-subject"] == "naïve one"
    sent = Outgoing(b"1", {"ce-subject": "naïve one", "x": "a\nb"})
    await broker.finish([Done(message, (Sending("results", sent),))])
    ((_, headers),) = await rig.sent("results")
    assert headers["ce-subject"] == "na%C3%AFve%20one"


async def test_what_is_too_large_for_the_server_is_told_and_the_rest_is_sent(rig: JetStreamRig) -> None:
    broker = await rig.opened()
    for n in range(2):
        await rig.send(b"%d" % n, {})
    large, small = await take(broker, 2)
    (unfit,) = await broker.finish([result(large, bytes(2_000_000)), result(small)])
    assert "max_payload" in unfit.fault.detail
    assert unfit.done.message is large
    assert len(await rig.sent("results")) == 1


async def test_what_is_too_large_for_its_stream_or_has_no_form_is_told_and_the_rest_is_sent(rig: JetStreamRig) -> None:
    client = await connected(rig.server.url)
    await client.jetstream().add_stream(
        StreamConfig(name=plain(rig.place("results")), subjects=[rig.place("results")], max_msg_size=1000)
    )
    await client.close()
    broker = await rig.opened()
    for n in range(3):
        await rig.send(b"%d" % n, {})
    large, odd, small = await take(broker, 3)
    headed = Done(odd, (Sending("results", Outgoing(b"r", {"a b": "c"})),))
    unfit = await broker.finish([result(large, bytes(2000)), headed, result(small)])
    assert [each.done.message for each in unfit] == [large, odd]
    assert ["max_msg_size" in each.fault.detail for each in unfit] == [True, False]
    assert [body for body, _ in await rig.sent("results")] == [b"r"]


async def test_what_has_come_and_nobody_has_asked_for_yet_is_kept_too(rig: JetStreamRig) -> None:
    first = rig.broker()
    await first.open()
    pulling = cast("Any", rig.brokers[-1])
    for n in range(2):
        await rig.send(b"%d" % n, {})
    await pulling._pull(2, wait=False)
    await until(lambda: len(pulling._arrived) == 2)
    held = await first.receive(1)
    second = await rig.opened()
    waiting = asyncio.ensure_future(second.receive(1))
    for _ in range(6):
        await asyncio.sleep(rig.lease_s / 3)
        await first.extend(held)
    assert not waiting.done()
    await ended(waiting)


async def test_streams_that_are_there_are_used_and_wildcards_read(server: Server) -> None:
    client = await connected(server.url)
    await client.jetstream().add_stream(StreamConfig(name="ALL", subjects=["all.>"]))
    rig = JetStreamRig(server)
    options = QueueOptions("all", server.url, "all.orders.*", "g", dead="all.dead", lease_s=1.0)
    broker = JetStream(options, "host", SystemClock())
    await broker.open()
    await client.jetstream().publish("all.orders.a", b"1")
    await client.jetstream().publish("all.other", b"2")
    (message,) = await take(broker, 1)
    assert message.body == b"1"
    await broker.finish([Done(message, (Sending("all.dead", Outgoing(b"1")),))])
    assert (await client.jetstream().stream_info("ALL")).state.messages == 3
    await broker.close()
    await client.close()
    await rig.close()


async def test_what_every_group_has_handled_is_dropped(server: Server) -> None:
    rig = JetStreamRig(server, trim=True)
    broker = await rig.opened()
    await rig.send(b"1", {})
    await broker.finish([Done(message) for message in await take(broker, 1)])
    client = await connected(server.url)
    async with asyncio.timeout(5):
        while (await client.jetstream().stream_info(plain(rig.options.source))).state.messages:  # noqa: ASYNC110 - another program's
            await asyncio.sleep(0.01)
    await client.close()
    await rig.close()


async def test_a_server_that_dies_is_lost_and_found_with_all_that_it_had() -> None:
    server = Server()
    rig = JetStreamRig(server)
    broker = await rig.opened()
    await rig.send(b"1", {})
    (message,) = await take(broker, 1)
    receiving = asyncio.ensure_future(broker.receive(1))
    await asyncio.sleep(0.1)
    server.kill()
    with pytest.raises(BrokerLost):
        await receiving
    with pytest.raises(BrokerLost):
        await broker.finish([result(message, name="a")])
    with pytest.raises(BrokerLost, match=r"127\.0\.0\.1"):
        await broker.open()
    server.start()
    await broker.open()
    await broker.finish([result(message, name="a")])
    assert len(await rig.sent("results")) == 1
    await nothing(broker, 2.0)
    await rig.close()
    server.close()


async def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.queues.jetstream.ANSWER_S", 1.0)
    server = Server()
    rig = JetStreamRig(server)
    broker = await rig.opened()
    server.stop()
    try:
        with pytest.raises(BrokerLost):
            await broker.receive(1)
    finally:
        server.go_on()
    await broker.open()
    await rig.send(b"1", {})
    assert len(await take(broker, 1)) == 1
    await rig.close()
    server.close()


async def test_a_server_that_forgot_what_it_was_asked_is_asked_again(rig: JetStreamRig) -> None:
    broker = rig.broker()
    await broker.open()
    cast("Any", rig.brokers[-1])._wanted = 1  # as if it had been asked, and nothing ever came of it
    await rig.send(b"1", {})
    (message,) = await take(broker, 1)
    await broker.finish([Done(message)])


async def test_who_is_cancelled_before_the_server_has_answered_leaves_the_rest_hearing() -> None:
    server = Server()
    rig = JetStreamRig(server)
    broker = await rig.opened()
    await rig.send(b"1", {})
    held = await take(broker, 1)
    server.stop()
    try:
        extending = asyncio.ensure_future(broker.extend(held))
        await asyncio.wait((extending,), timeout=0.2)
        await ended(extending)
        assert extending.cancelled()
    finally:
        server.go_on()
    await broker.finish([Done(held[0])])
    await rig.send(b"2", {})
    assert [each.body for each in await take(broker, 1)] == [b"2"]
    await rig.close()
    server.close()


async def test_whoever_sends_goes_on_when_the_server_has_died_and_when_it_has_hung(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server()
    rig = JetStreamRig(server)
    async with dragoman.producer(server.url) as producer:
        await producer.send("sent", "before")
        server.kill()
        await asyncio.to_thread(server.start)
        # Nobody was sending when it was lost: whoever is told anything is told that nothing was sent.
        assert await sent(producer, "sent", "killed") <= {Started.NO}
        monkeypatch.setattr("dragoman.queues.jetstream.ANSWER_S", 1.0)
        server.stop()
        try:
            with pytest.raises(Unavailable):
                await producer.send("sent", "maybe")
        finally:
            server.go_on()
        await sent(producer, "sent", "hung")
    client = await connected(server.url)
    assert (await client.jetstream().stream_info("sent")).state.messages >= 3
    await client.close()
    await rig.close()
    server.close()


def test_names_of_streams_and_consumers_are_told_apart() -> None:
    assert plain("orders") == "orders"
    assert plain("a.b") != plain("a_b")
    assert "." not in plain("a.b.*.>")
