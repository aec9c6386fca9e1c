import asyncio

import pytest

from dragoman.queues.answer import Answers
from dragoman.queues.broker import BrokerLost, Done
from dragoman.queues.message import Message, Outgoing, Sending
from dragoman.queues.outbox import Outbox
from dragoman.testing.broker import MemoryBroker
from tests.queues.around import Host
from tests.valkey import until


class Sent:
    """An outbox, and a broker with messages that were received."""

    def __init__(self, broker: MemoryBroker, count: int = 3) -> None:
        self.broker = broker
        self.host = Host()
        self.counts = {"dead": 0}
        self.settled: list[int] = []
        answers = Answers("shop", "orders", events=False)
        self.outbox = Outbox(broker, "dead", answers, self.host.around(), self.counts)
        self.outbox.on_sent = self.settled.append
        for n in range(count):
            broker.send(b"%d" % n)

    async def messages(self) -> list[Message]:
        return await self.broker.receive(10)


def result(message: Message, body: bytes = b"r") -> Done:
    return Done(message, (Sending("results", Outgoing(body)),))


async def test_what_is_ready_is_sent_together_and_told() -> None:
    sent = Sent(MemoryBroker())
    first, second, third = await sent.messages()
    sent.outbox.put(result(first), hurry=False)
    sent.outbox.put(result(second), hurry=False)
    sent.outbox.give_back(third, 5.0)
    assert len(sent.outbox) == 3
    assert sent.outbox.messages == [first, second]
    await sent.outbox.send()
    assert (len(sent.outbox), sent.settled) == (0, [3])
    assert sent.broker.handled == [first.id, second.id]
    assert sent.broker.returned == [(third.id, 5.0)]


async def test_it_sends_by_itself_at_once_or_in_a_moment() -> None:
    sent = Sent(MemoryBroker())
    first, second, _ = await sent.messages()
    running = asyncio.ensure_future(sent.outbox.run())
    sent.outbox.put(result(first), hurry=True)
    await until(lambda: sent.broker.handled == [first.id])
    sent.outbox.put(result(second), hurry=False)
    await until(lambda: len(sent.broker.handled) == 2)
    running.cancel()
    await asyncio.wait((running,))


async def test_what_could_not_be_sent_is_there_for_the_next_connection() -> None:
    sent = Sent(MemoryBroker())
    first, second, third = await sent.messages()
    sent.outbox.put(result(first), hurry=False)
    sent.outbox.give_back(second)
    sent.outbox.give_back(third, 1.0)
    sent.broker.lose("cut off")
    with pytest.raises(BrokerLost):
        await sent.outbox.send()
    assert (len(sent.outbox), sent.settled) == (3, [])
    sent.broker.lose("")
    await sent.outbox.send()
    assert sent.broker.handled == [first.id]
    assert sent.broker.returned == [(second.id, 0.0), (third.id, 1.0)]


async def test_what_is_too_large_becomes_a_dead_letter_which_gets_smaller_until_it_fits() -> None:
    sent = Sent(MemoryBroker(body_bytes_max=100, headers_max=5), 1)
    (message,) = await sent.messages()
    message.headers = {f"x-{n}": "y" for n in range(10)}
    sent.outbox.put(result(message, bytes(101)), hurry=False)
    await sent.outbox.send()
    (letter,) = sent.broker.places["dead"]
    assert letter.headers.keys() == {
        "dragoman-fault",
        "dragoman-code",
        "dragoman-attempts",
        "dragoman-message",
        "dragoman-queue",
    }
    assert letter.body == b"0"
    assert sent.counts == {"dead": 1}
    assert sent.broker.handled == [message.id]


async def test_one_that_fits_in_no_way_is_acknowledged_in_the_end_and_told() -> None:
    sent = Sent(MemoryBroker(headers_max=1), 1)
    (message,) = await sent.messages()
    sent.outbox.put(Done(message, (Sending("results", Outgoing(b"", {"a": "1", "b": "2"})),)), hurry=False)
    await sent.outbox.send()
    assert sent.broker.handled == [message.id]
    assert [level for level, _ in sent.host.notes] == ["error"] * 3
