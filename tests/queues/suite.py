"""What brokers with a server do when that is killed, hangs and is back, or will not take what it is sent."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Protocol, TypeAlias, cast

import pytest

import dragoman
from dragoman.core.call import Call, Reply
from dragoman.core.clock import Clock, SystemClock
from dragoman.core.fault import Fault, Started, Unavailable, WorkerLost
from dragoman.queues.broker import Broker, BrokerLost, Done
from dragoman.queues.consumer import Consumer, ended
from dragoman.queues.message import Message, Outgoing, Sending
from dragoman.queues.options import QueueOptions
from dragoman.queues.producer import AsyncProducer
from dragoman.testing.clock import ManualClock
from tests.queues.around import Function, Host
from tests.valkey import until

PATIENCE_S = 60.0
"""For what takes a second on a quiet machine, and for servers that were killed to be back."""
_numbers = count(1)


Make: TypeAlias = Callable[[QueueOptions, str, Clock], Broker]


class Server(Protocol):
    """A server of a test."""

    port: int

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...
    def go_on(self) -> None: ...
    def close(self) -> None: ...


class Rig:
    """One server, with a source and places for a test alone."""

    def __init__(self, server: Server, make: Make) -> None:
        self.server = server
        self.url = server.url
        self._make = make
        self._number = next(_numbers)

    @property
    def options(self) -> QueueOptions:
        return self.named(source="in", to="out", dead="dead", faults="faults")

    def named(self, **places: Any) -> QueueOptions:
        mine: dict[str, Any] = {name: f"{place}-{self._number}" for name, place in places.items()}
        return QueueOptions(f"q{self._number}", self.url, lease_s=6.0, **mine)

    def broker(self, options: QueueOptions | None = None) -> Broker:
        return self._make(options or self.options, f"host-{next(_numbers)}", SystemClock())

    @asynccontextmanager
    async def opened(self, options: QueueOptions | None = None) -> AsyncGenerator[Broker]:
        broker = self.broker(options)
        await opened(broker)
        try:
            yield broker
        finally:
            await broker.close()

    async def send(self, *outgoing: Outgoing) -> None:
        async with self.opened(self.named(to="in")) as broker:
            assert await broker.finish([Done(None, (Sending(self.options.source, each),)) for each in outgoing]) == []

    @asynccontextmanager
    async def reading(self, place: str) -> AsyncGenerator[Broker]:
        """Somebody who reads a place from now on."""
        reader = self.named(source=place.rpartition("-")[0])
        async with self.opened(reader) as broker:
            yield broker


async def opened(broker: Broker) -> None:
    """Have a broker opened, however long its server takes to be there."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await broker.open()
            except BrokerLost:
                await asyncio.sleep(0.1)
            else:
                return


async def received(broker: Broker, number: int) -> list[Message]:
    """So many messages, whatever becomes of the server."""
    messages: list[Message] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(messages) < number:
            try:
                messages += await broker.receive(number - len(messages))
            except BrokerLost:
                await opened(broker)
    return messages


async def sent(producer: AsyncProducer, place: str, body: str) -> set[Started]:
    """Send, as often as it takes; what was said of those that failed."""
    said: set[Started] = set()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await producer.send(place, body)
            except Unavailable as fault:
                said.add(fault.started)
                await asyncio.sleep(0.1)
            else:
                return said


async def nothing_more(broker: Broker, within_s: float = 0.5) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await broker.receive(1)
    except TimeoutError:
        return True
    return False


class BrokerSuite:
    """Subclasses say how a broker is made, with a fixture `rig`."""

    SIZE_MAX: int
    """Of a body that is certainly too large."""

    @pytest.fixture
    def rig(self, server: Server) -> Rig:
        raise NotImplementedError

    @pytest.fixture
    async def broker(self, rig: Rig) -> AsyncIterator[Broker]:
        async with rig.opened() as broker:
            yield broker

    async def test_a_message_arrives_as_it_was_sent(self, rig: Rig, broker: Broker) -> None:
        headers = {
            "content-type": "application/msgpack",
            "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
            "correlation-id": "c-1",
            "reply-to": "answers",
            "dragoman-timeout": "2s",
        }
        await rig.send(Outgoing(b"\x00\xffbody", headers, "id-1"))
        (message,) = await received(broker, 1)
        assert (message.id, message.body, dict(message.headers)) == ("id-1", b"\x00\xffbody", headers)

    async def test_a_message_that_says_nothing_is_json_and_has_an_id(self, rig: Rig, broker: Broker) -> None:
        await rig.send(Outgoing(b"{}"), Outgoing(b"{}"))
        one, two = await received(broker, 2)
        assert one.id
        assert one.id != two.id
        assert one.headers.get("content-type", "application/json") == "application/json"

    async def test_attributes_of_an_event_arrive_as_such(self, rig: Rig, broker: Broker) -> None:
        event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/here", "ce-type": "t", "ce-subject": "ö"}
        await rig.send(Outgoing(b"{}", {**event, "dragoman-timeout": "2s"}))
        (message,) = await received(broker, 1)
        assert event.items() <= message.headers.items()
        assert message.headers["dragoman-timeout"] == "2s"

    async def test_what_is_too_large_is_told_and_all_else_is_sent(self, rig: Rig, broker: Broker) -> None:
        async with rig.reading(rig.options.to) as results:
            await rig.send(*(Outgoing(b"%d" % number) for number in range(3)))
            messages = {each.body: each for each in await received(broker, 3)}
            bodies = {b"0": b"small", b"1": b"x" * self.SIZE_MAX, b"2": b"small too"}
            done = [
                Done(message, (Sending(rig.options.to, Outgoing(bodies[body], {}, f"r{body!r}")),))
                for body, message in messages.items()
            ]
            unfit: list[Done] = []
            while done:
                try:
                    unfit += [each.done for each in await broker.finish(done)]
                    break
                except BrokerLost:
                    await opened(broker)
            assert [each.message for each in unfit] == [messages[b"1"]]
            assert {each.body for each in await received(results, 2)} == {b"small", b"small too"}
            assert await broker.finish([Done(messages[b"1"])]) == []
            await broker.close()
            async with rig.opened() as again:
                assert await nothing_more(again)

    async def test_a_reader_that_waits_goes_on_when_its_server_has_died_and_is_back(self, rig: Rig) -> None:
        self.prepare(rig)
        bodies = {b"%d" % number for number in range(20)}
        async with rig.opened() as broker:
            await self.sent(rig, sorted(bodies))
            first = await received(broker, 10)
            await broker.finish([Done(each) for each in first[:5]])
            seen = {each.body for each in first[:5]}
            reading = asyncio.ensure_future(self.gather(broker, seen))
            rig.server.kill()
            await asyncio.to_thread(rig.server.start)
            await self.sent(rig, [b"last"])
            try:
                # Those in hand are finished by whoever has them, or come again: which of the two, the broker knows.
                await until(lambda: seen | {each.body for each in first} >= bodies | {b"last"}, PATIENCE_S)
            finally:
                await ended(reading)

    async def test_a_server_that_hangs_is_lost_and_back_when_it_goes_on(
        self, rig: Rig, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(f"{type(broker).__module__}.ANSWER_S", 1.0)
        await rig.send(Outgoing(b"before"))
        (message,) = await received(broker, 1)
        rig.server.stop()
        try:
            with pytest.raises(BrokerLost):
                async with asyncio.timeout(PATIENCE_S):
                    await broker.finish([Done(None, (Sending(rig.options.to, Outgoing(b"x", {}, "x")),))])
            with pytest.raises(BrokerLost):
                async with asyncio.timeout(PATIENCE_S):
                    await broker.open()
        finally:
            rig.server.go_on()
        monkeypatch.undo()
        await opened(broker)
        await broker.finish([Done(message)])
        await rig.send(Outgoing(b"after"))
        async with asyncio.timeout(PATIENCE_S):
            while (await received(broker, 1))[0].body != b"after":
                pass

    async def test_whoever_sends_goes_on_when_the_server_has_died_and_when_it_has_hung(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = rig.named(to="in").to
        async with rig.reading(place) as reader, dragoman.producer(rig.url) as producer:
            await producer.send(place, "before")
            assert [each.body for each in await received(reader, 1)] == [b'"before"']
            rig.server.kill()
            await asyncio.to_thread(rig.server.start)
            await opened(reader)
            # Nobody was sending when it was lost: whoever is told anything is told that nothing was sent.
            assert await sent(producer, place, "killed") <= {Started.NO}
            monkeypatch.setattr(f"{type(reader).__module__}.ANSWER_S", 1.0)
            rig.server.stop()
            try:
                with pytest.raises(Unavailable):
                    await producer.send(place, "maybe")
            finally:
                rig.server.go_on()
            monkeypatch.undo()
            await sent(producer, place, "hung")
            seen: set[bytes] = set()
            while not {b'"killed"', b'"hung"'} <= seen:
                seen |= {each.body for each in await received(reader, 1)}

    async def test_no_server_is_told_with_its_address_and_without_its_secrets(self, rig: Rig) -> None:
        scheme = rig.server.url.partition("://")[0]
        broker = rig.broker(QueueOptions("q", f"{scheme}://someone:secret@127.0.0.1:9", source="in"))
        with pytest.raises(BrokerLost, match=r"127\.0\.0\.1:9") as lost:
            await broker.open()
        assert "secret" not in str(lost.value)
        await broker.close()
        await broker.close()

    async def test_every_message_is_handled_or_a_dead_letter_while_the_server_is_killed(self, rig: Rig) -> None:
        """The consumer on this broker, with messages that kill their worker, and ones that are broken."""
        self.prepare(rig)
        host = Host({"shop.price": Function(outcome)})
        host.places = 8
        options = dataclasses.replace(rig.options, function="shop.price")
        consumer = Consumer(options, rig.broker(options), host.around())
        good = {b"%d" % number for number in range(300)}
        bad = {b"%b-%d" % (kind, number) for kind in (b"poison", b"broken") for number in range(6)}
        bodies = sorted(good | bad)
        results: set[bytes] = set()
        letters: set[bytes] = set()
        async with (
            rig.reading(rig.options.to) as out,
            rig.reading(rig.options.dead) as dead,
            asyncio.TaskGroup() as group,
        ):
            work = [
                group.create_task(each)
                for each in (tick(host.clock), self.gather(out, results), self.gather(dead, letters))
            ]
            running = group.create_task(consumer.run())
            await until(lambda: consumer.up, PATIENCE_S)
            for start in range(0, len(bodies), 110):
                await self.sent(rig, bodies[start : start + 110])
                if start < 220:
                    rig.server.kill()
                    await asyncio.to_thread(rig.server.start)
            with contextlib.suppress(TimeoutError):
                await until(lambda: results >= good and letters >= bad, PATIENCE_S)
            consumer.abort()
            await asyncio.wait_for(running, 20.0)
            for each in work:
                await ended(each)
        assert not good - results, (len(good - results), consumer.counts)
        assert letters == bad

    def prepare(self, rig: Rig) -> None:
        """Have a rig as one has it whose server may be killed."""

    async def gather(self, broker: Broker, seen: set[bytes]) -> None:
        """Collect all that comes, whatever becomes of the server."""
        while True:
            try:
                messages = await broker.receive(50)
                seen.update(each.body for each in messages)
                await broker.finish([Done(each) for each in messages])
            except BrokerLost:
                await opened(broker)

    async def sent(self, rig: Rig, bodies: list[bytes]) -> None:
        """Have messages sent, whatever becomes of the server; some perhaps twice."""
        done = [Done(None, (Sending(rig.options.source, Outgoing(body, {}, body.decode())),)) for body in bodies]
        broker = rig.broker(rig.named(to="in"))
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await opened(broker)
                    assert await broker.finish(done) == []
                    break
                except BrokerLost:
                    continue
        await broker.close()


def outcome(call: Call) -> Reply | Fault:
    body = bytes(cast("bytes", call.body))
    if body.startswith(b"poison"):
        return WorkerLost("died", started=Started.YES)
    if body.startswith(b"broken"):
        return Fault("ValueError: no")
    return Reply(body)


async def tick(clock: ManualClock) -> None:
    """Have a host's time pass, quicker than ours: its pauses are not what is tested."""
    while True:
        await asyncio.sleep(0.01)
        clock.advance(0.5)
